"""Hold the live view against the table, cell by cell. Reads only."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from analytics.columns import Columns
from analytics.conditions import Condition
from analytics.live import ledger, reader
from analytics.live.cells import Cells, series_cells, view_cells
from analytics.live.keys import CHUNK_GAMES, LIVE
from analytics.live.ledger import ChunkSummary
from analytics.live.reader import ViewState
from cachecore.redis_client import connections


class Drift(NamedTuple):
    """A cell of the view that the table does not give; None: no such cell."""

    key: str
    field: str
    expected: str | None
    actual: str | None

    def __str__(self) -> str:
        return f"{self.key} {self.field}: {self.actual}, should be {self.expected}"


def compare(
    view: ViewState,
    columns: Columns,
    conditions: Sequence[Condition],
    before_each_key: Callable[[], None] = lambda: None,
) -> Iterator[Drift]:
    """Every cell that differs from a computation over `columns`, all games of the table; `step` is called per key.

    Raises RedisUnavailable.
    """
    yield from _compare_ledger(columns.where(columns.ids >= view.oldest_retained_id))
    for key, expected in view_cells(LIVE, columns, conditions, view.oldest_retained_id, view.oldest_bucket).items():
        before_each_key()
        actual = _read(key)
        if key == LIVE.state:  # it also holds what no table knows
            actual = {field: value for field, value in actual.items() if field in expected}
        if key == LIVE.chunks:
            yield from _compare_cells(key, _counts(expected), _counts(actual))
        else:
            yield from _compare_cells(key, expected, actual)
    newest, sets = series_cells(LIVE, columns, conditions)
    yield from _compare_cells(LIVE.series, newest, _read(LIVE.series))
    for key, expected in sets.items():
        before_each_key()
        yield from _compare_cells(key, expected, _members(key))


def _compare_ledger(kept: Columns) -> Iterator[Drift]:
    held = reader.chunks(list(reader.index()))
    ids = ledger.differing_ids(held, kept).tolist()
    told, seen = kept.at(ids), held.at(ids)
    for game_id in ids:
        key = LIVE.ledger(game_id // CHUNK_GAMES)
        yield Drift(key, str(game_id), _text(told.get(game_id)), _text(seen.get(game_id)))


def _compare_cells(key: str, expected: Cells, actual: Cells) -> Iterator[Drift]:
    for field in sorted(expected.keys() | actual.keys()):
        told, seen = _text(expected.get(field)), _text(actual.get(field))
        if told != seen:
            yield Drift(key, field, told, seen)


def _counts(chunks: Cells) -> Cells:
    """Without the bounds, which only widen."""
    facts = {number: ChunkSummary.parse(str(text).encode()) for number, text in chunks.items()}
    return {number: f"{one.games} {one.timed}" for number, one in facts.items()}


def _read(key: str) -> Cells:
    with connections.guarded_client("state") as client:
        return {field.decode(): value.decode() for field, value in client.hgetall(key).items()}


def _members(key: str) -> Cells:
    with connections.guarded_client("state") as client:
        return {member.decode(): int(score) for member, score in client.zrange(key, 0, -1, withscores=True)}


def _text(value: object) -> str | None:
    return None if value is None else str(value)
