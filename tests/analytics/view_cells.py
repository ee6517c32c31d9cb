"""The live view's cells, read from Redis with plain commands."""

import struct

from cachecore.redis_client import connections

PREFIX = "{analytics}:"


def actual_cells(conditions: list[str]) -> dict:
    """Read the cells in the shape of `oracle.expected_cells`. Assert that the chunks' bounds enclose every end time."""
    with connections.guarded_client("state") as client:
        state = {k: int(v) for k, v in _hash(client, "state").items() if k.split("_")[0] in ("games", "first", "head")}
        chunks = {int(n): tuple(map(int, text.split())) for n, text in _hash(client, "chunks").items()}
        ledger = {}
        for number, (_, _, low, high) in chunks.items():
            games = _chunk(client, number)
            assert all(low <= end_ms <= high for _, end_ms in games.values() if end_ms)
            ledger |= games
        keys = {key.decode() for key in client.scan_iter(match=PREFIX + "ledger:*")}
        assert keys == {f"{PREFIX}ledger:{number}" for number in chunks}
        cells = {
            "state": state,
            "chunks": {number: summary[:2] for number, summary in chunks.items()},
            "ledger": ledger,
            "intervals:all": _buckets(client, "all"),
        }
        for condition in conditions:
            occurrences = _hash(client, f"occurrences:{condition}")
            cells[f"occurrences:{condition}"] = {name: int(value) for name, value in occurrences.items()}
            cells[f"intervals:{condition}"] = _buckets(client, condition)
            newest = client.hget(PREFIX + "series", condition)
            cells[f"series:{condition}"] = tuple(map(int, newest.split())) if newest else None
            for name in (f"series:closed:{condition}", f"series:longest:{condition}"):
                members = client.zrange(PREFIX + name, 0, -1, withscores=True)
                cells[name] = {tuple(map(int, member.split())): int(score) for member, score in members}
    return cells


def _hash(client, name: str) -> dict[str, str]:
    return {k.decode(): v.decode() for k, v in client.hgetall(PREFIX + name).items()}


def _buckets(client, name: str) -> dict[int, int]:
    return {int(k.removeprefix("bucket_")): int(v) for k, v in _hash(client, f"intervals:{name}").items()}


def _chunk(client, number: int) -> dict[int, tuple[int, int]]:
    data = client.get(f"{PREFIX}ledger:{number}")
    games = {}
    for i in range(len(data) // 12):
        high, low, end_high, end_low = struct.unpack_from(">HIHI", data, i * 12)
        if (high, low) != (0, 0):
            games[number * 4096 + i] = ((high << 32) + low, (end_high << 32) + end_low)
    return games
