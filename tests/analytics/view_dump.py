"""Everything that Redis holds of the live view, read with plain commands in two round trips."""

import struct
from dataclasses import dataclass, field
from functools import cached_property

from cachecore.redis_client import connections
from tests.analytics.view_cells import PREFIX

RECORD = struct.Struct(">HIHI")  # six bytes each: crash point, end time
HASHES = ("state", "chunks", "series", "repairs")
SORTED = ("pending", "series:closed:", "series:longest:")
# Keys that are no cells of the view: they coordinate the writers, or carry the events for clients.
COORDINATION = {"version", "epoch", "writer", "pending", "sequence", "woken", "events", "drifted", "repairs"}
STATE_FIELDS = {"games", "floor", "bucket_floor", "below", "below_end", "conditions", "built_ms"}

Games = dict[int, tuple[int, int]]


@dataclass
class ViewDump:
    """The view's keys, with names without the prefix. `staging` maps the keys of builds to their TTL in seconds."""

    values: dict[str, object] = field(default_factory=dict)
    staging: dict[str, int] = field(default_factory=dict)
    locked: bool = False

    @property
    def version(self) -> int | None:
        return self._number("version")

    @property
    def epoch(self) -> bytes | None:
        return self.values.get("epoch")

    @property
    def state(self) -> dict[str, str]:
        return self.values.get("state", {})

    @cached_property
    def has_view(self) -> bool:
        """True if there is a view. Without one the next writer builds it."""
        return self.version is not None and self.epoch is not None and self.state.keys() >= STATE_FIELDS

    @property
    def oldest_retained_id(self) -> int:
        return int(self.state["floor"])

    @property
    def oldest_bucket(self) -> int:
        return int(self.state["bucket_floor"])

    @property
    def below(self) -> int:
        return int(self.state["below"])

    @property
    def conditions(self) -> list[str]:
        return self.state["conditions"].split()

    @property
    def pending(self) -> set[int]:
        return {int(member) for member in self.values.get("pending", {})}

    @property
    def chunks(self) -> dict[int, tuple[int, ...]]:
        return {int(n): tuple(map(int, text.split())) for n, text in self.values.get("chunks", {}).items()}

    @cached_property
    def ledger(self) -> Games:
        games: Games = {}
        for name, data in self.values.items():
            if name.startswith("ledger:"):
                games |= _games(int(name.removeprefix("ledger:")), data)
        return games

    @cached_property
    def cells(self) -> dict:
        """The cells in the shape of `oracle.expected_cells`."""
        state = {k: int(v) for k, v in self.state.items() if k.split("_")[0] in ("games", "first", "head")}
        cells = {
            "state": state,
            "chunks": {number: summary[:2] for number, summary in self.chunks.items()},
            "ledger": self.ledger,
            "intervals:all": self._buckets("all"),
        }
        newest = self.values.get("series", {})
        for condition in self.conditions:
            occurrences = self.values.get(f"occurrences:{condition}", {})
            cells[f"occurrences:{condition}"] = {name: int(value) for name, value in occurrences.items()}
            cells[f"intervals:{condition}"] = self._buckets(condition)
            cells[f"series:{condition}"] = _numbers(newest[condition]) if condition in newest else None
            for name in (f"series:closed:{condition}", f"series:longest:{condition}"):
                cells[name] = {_numbers(row): int(score) for row, score in self.values.get(name, {}).items()}
        return cells

    @property
    def unexpected_keys(self) -> set[str]:
        """Keys with the prefix that do not belong to a view with this index and these conditions."""
        expected = {"state", "chunks", "series", "intervals:all"} | {f"ledger:{number}" for number in self.chunks}
        for condition in self.conditions:
            expected |= {f"{name}:{condition}" for name in ("occurrences", "intervals")}
            expected |= {f"series:{name}:{condition}" for name in ("closed", "longest")}
        return self.values.keys() - expected - COORDINATION

    @property
    def last_event(self) -> bytes | None:
        entries = self.values.get("events")
        return entries[0][0] if entries else None

    def _number(self, name: str) -> int | None:
        return int(self.values[name]) if name in self.values else None

    def _buckets(self, name: str) -> dict[int, int]:
        cells = self.values.get(f"intervals:{name}", {})
        return {int(bucket.removeprefix("bucket_")): int(count) for bucket, count in cells.items()}


def take() -> ViewDump:
    """Read the view as it is now."""
    dump = ViewDump()
    with connections.guarded_client("state") as client:
        names = [key.decode() for key in client.keys("*")]
        view_names = [name.removeprefix(PREFIX) for name in names if name.startswith(PREFIX)]
        with client.pipeline(transaction=True) as pipeline:
            for name in view_names:
                _queue_read(pipeline, name)
            replies = pipeline.execute()
    for name, reply in zip(view_names, replies, strict=True):
        if name.startswith("staging:"):
            dump.staging[name] = reply
        else:
            dump.values[name] = _plain(reply)
    dump.locked = "lock:analytics-writer" in names
    return dump


def _queue_read(pipeline, name: str) -> None:
    key = PREFIX + name
    if name.startswith("staging:"):
        pipeline.ttl(key)
    elif name in HASHES or name.startswith(("occurrences:", "intervals:")):
        pipeline.hgetall(key)
    elif name.startswith(SORTED):
        pipeline.zrange(key, 0, -1, withscores=True)
    elif name == "events":
        pipeline.xrevrange(key, count=1)
    elif name == "drifted":
        pipeline.smembers(key)
    else:
        pipeline.get(key)


def _plain(reply):
    if isinstance(reply, dict):
        return {k.decode(): v.decode() for k, v in reply.items()}
    if isinstance(reply, list) and reply and isinstance(reply[0][1], float | int):  # members with scores
        return {member.decode(): score for member, score in reply}
    return reply


def _games(chunk: int, data: bytes) -> Games:
    games, first = {}, (len(data) - len(data.lstrip(b"\0"))) // RECORD.size
    for i in range(first, len(data) // RECORD.size):
        high, low, end_high, end_low = RECORD.unpack_from(data, i * RECORD.size)
        if high or low:
            games[chunk * 4096 + i] = ((high << 32) + low, (end_high << 32) + end_low)
    return games


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split()))
