"""Apply a batch of games to the view: pack it, run lua/apply_games.lua, return its counts."""

import struct
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from analytics.columns import Columns
from analytics.conditions import Condition
from analytics.live import scripts
from analytics.live.keys import ALL, EPOCH, EVENTS, LIVE, PENDING, UPDATES_CHANNEL, VERSION, WRITER
from analytics.live.writer_lock import Writer, WriterFenced
from cachecore.redis_client import connections

BATCH_GAMES = 500  # keeps the script at a few milliseconds

_GAME = struct.Struct(">QQ")
_SIX_BYTES = 6


class BatchResult(NamedTuple):
    """The script's reply: the new version, and the number of games by what happened to them.

    `below` counts games that are older than the ledger's oldest retained id.
    """

    version: int
    new: int
    corrected: int
    removed: int
    unchanged: int
    below: int


class NoView(Exception):
    """There is no view to apply games to: it was never built, or Redis lost it."""


def apply(writer: Writer, batch: Mapping[int, int], rows: Columns, conditions: Sequence[Condition]) -> BatchResult:
    """Make the view equal to `rows` for the pending games of `batch` (id -> sequence number).

    The rows must have been read after the batch. A game of the batch that has no row is removed from the view.
    Repeating a call, even one whose reply was lost, changes nothing. Raises NoView, WriterFenced, RedisUnavailable.
    """
    fixed = _condition_arguments(tuple(conditions))
    with connections.guarded_client("state") as client:
        status, *counts = scripts.apply_games(
            client,
            fixed.keys,
            [writer.token, UPDATES_CHANNEL, LIVE.ledger(""), fixed.ranges, _pack_games(batch, rows), fixed.names],
        )
    if status == b"no view":
        raise NoView
    if status == b"overtaken":
        raise WriterFenced
    return BatchResult(*counts)


class _ConditionArguments(NamedTuple):
    """The script's keys and arguments that depend on the configured conditions only, the same in every call."""

    keys: list[str]
    ranges: bytes
    names: str


@lru_cache(maxsize=8)
def _condition_arguments(conditions: tuple[Condition, ...]) -> _ConditionArguments:
    keys = [
        *(family.key() for family in (VERSION, EPOCH, WRITER, PENDING)),
        *(LIVE.state, LIVE.chunks, LIVE.intervals(ALL), LIVE.series, EVENTS.key()),
        *(key for condition in conditions for key in LIVE.condition_keys(condition)),
    ]
    return _ConditionArguments(
        keys,
        b"".join(_six_bytes(condition.lowest) + _six_bytes(condition.highest) for condition in conditions),
        " ".join(str(condition) for condition in conditions),
    )


def _pack_games(batch: Mapping[int, int], rows: Columns) -> bytes:
    found = {
        game_id: (crash, end_ms)
        for game_id, crash, end_ms in zip(rows.ids.tolist(), rows.crash.tolist(), rows.end_ms.tolist(), strict=True)
    }
    return b"".join(
        _GAME.pack(game_id, sequence) + b"".join(map(_six_bytes, found.get(game_id, (0, 0))))
        for game_id, sequence in sorted(batch.items())
    )


def _six_bytes(number: int) -> bytes:
    return number.to_bytes(_SIX_BYTES, "big")
