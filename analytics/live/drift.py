"""Compare the live view with the table, cell by cell. Only reads."""

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
    """A cell of the view that differs from what the table gives. None means that there is no such cell."""

    key: str
    field: str
    expected: str | None
    actual: str | None

    def __str__(self) -> str:
        return f"{self.key} {self.field}: {self.actual}, should be {self.expected}"


def compare_view(
    view: ViewState,
    columns: Columns,
    conditions: Sequence[Condition],
    before_each_key: Callable[[], None] = lambda: None,
) -> Iterator[Drift]:
    """Yield every cell that differs from a computation over `columns`, the games of the whole table.

    `before_each_key` is called before a key is read. Raises RedisUnavailable.
    """
    yield from _compare_ledger(columns.where(columns.ids >= view.oldest_retained_id))
    for key, expected in view_cells(LIVE, columns, conditions, view.oldest_retained_id, view.oldest_bucket).items():
        before_each_key()
        actual = _read(key)
        if key == LIVE.state:  # it also has fields that cannot be computed from the table
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


def _compare_ledger(table: Columns) -> Iterator[Drift]:
    view = reader.chunks(list(reader.index()))
    ids = ledger.differing_ids(view, table).tolist()
    expected, actual = table.at(ids), view.at(ids)
    for game_id in ids:
        key = LIVE.ledger(game_id // CHUNK_GAMES)
        yield Drift(key, str(game_id), _text(expected.get(game_id)), _text(actual.get(game_id)))


def _compare_cells(key: str, expected: Cells, actual: Cells) -> Iterator[Drift]:
    for field in sorted(expected.keys() | actual.keys()):
        expected_text, actual_text = _text(expected.get(field)), _text(actual.get(field))
        if expected_text != actual_text:
            yield Drift(key, field, expected_text, actual_text)


def _counts(chunks: Cells) -> Cells:
    """Return the index without the bounds of end times, which only widen and so may differ from a new computation."""
    summaries = {number: ChunkSummary.parse(str(text).encode()) for number, text in chunks.items()}
    return {number: f"{summary.games} {summary.timed}" for number, summary in summaries.items()}


def _read(key: str) -> Cells:
    with connections.guarded_client("state") as client:
        return {field.decode(): value.decode() for field, value in client.hgetall(key).items()}


def _members(key: str) -> Cells:
    with connections.guarded_client("state") as client:
        return {member.decode(): int(score) for member, score in client.zrange(key, 0, -1, withscores=True)}


def _text(value: object) -> str | None:
    return None if value is None else str(value)
