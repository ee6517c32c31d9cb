"""The series of the configured conditions that the view stores: the newest, the last 1,000 closed, the ten longest.

Series depend on the order of the games. The apply script appends games that follow the newest one. If an older game
changed, the script removes the condition's series, and `restore` recomputes them while the same writer holds its lock.
Stored series are therefore always correct; while they are missing, readers compute them from the ledger.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Self

import numpy as np

from analytics.columns import Columns
from analytics.compute.series import Series, runs
from analytics.conditions import Condition
from analytics.live import scripts
from analytics.live.keys import LIVE, MAX_CLOSED_SERIES, MAX_LONGEST_SERIES, WRITER
from analytics.live.writer_lock import Writer, WriterFenced
from cachecore.redis_client import connections

Members = dict[str, int]  # members of a sorted set: row -> score
NO_ROWS = (1, 0)  # an empty range of ranks


class NewestSeries(NamedTuple):
    """The newest series, open or followed by a streak, and the number of series `before` it.

    If every game met the condition, the length is 0 and the streak counts all games.
    """

    series: Series
    before: int

    @classmethod
    def parse(cls, text: bytes) -> Self:
        *series, before = map(int, text.split())
        return cls(Series(*series), before)

    def __str__(self) -> str:
        return f"{_encode_numbers(self.series)} {self.before}"


@dataclass(frozen=True, slots=True)
class EncodedSeries:
    """The series of one condition as they are written to Redis."""

    newest: NewestSeries
    closed: Members
    longest: Members


@dataclass(frozen=True, slots=True)
class StoredSeries:
    """The series of one condition as they are read from Redis: `closed` oldest first, `longest` shortest first."""

    newest: NewestSeries
    closed: list[Series]
    longest: list[Series]

    def rows(self, sort: Literal["time", "length"]) -> list[Series]:
        """Return the newest first or the longest first; series of the same length newest first."""
        newest = [self.newest.series] if self.newest.series.length else []
        if sort == "time":
            return newest + self.closed[::-1]
        return sorted(newest + self.longest, key=lambda one: (-one.length, -one.start))


def encode_series(columns: Columns, condition: Condition) -> EncodedSeries:
    """Compute a condition's series from all games, and encode the part that the view stores."""
    found = runs(columns, condition)
    if not len(found):
        return EncodedSeries(NewestSeries(Series(0, 0, 0, 0, found.leading), 0), {}, {})
    before = len(found) - 1
    last = np.arange(max(0, before - MAX_CLOSED_SERIES), before)
    longest = np.lexsort((found.start[:before], found.length[:before]))[-MAX_LONGEST_SERIES:]
    return EncodedSeries(
        NewestSeries(found[-1], before),
        {encode_row(one): one.end for one in found.take(last)},
        {encode_row(one): one.length for one in found.take(longest)},
    )


def encode_row(series: Series) -> str:
    """Encode a member of a sorted set. Its start has a fixed width, so Redis sorts members of one score by id."""
    return f"{series.start:016d} {series.end} {series.length} {series.closer} {series.streak}"


def parse_row(member: bytes) -> Series:
    return Series(*map(int, member.split()))


def queue_reads(pipeline: Any, condition: Condition, *, newest_closed: int) -> None:
    """Queue the reads whose replies `parse_series` takes: the newest closed series, and the ten longest."""
    pipeline.hget(LIVE.series, str(condition))
    pipeline.zrange(LIVE.closed_series(condition), *((-newest_closed, -1) if newest_closed else NO_ROWS))
    pipeline.zrange(LIVE.longest_series(condition), 0, -1)


def parse_series(replies: Sequence[Any], *, newest_closed: int) -> StoredSeries | None:
    """Parse the three replies of `queue_reads`. Return None if the series are missing or partly lost."""
    newest, rows, longest = replies
    if newest is None:
        return None
    found = StoredSeries(NewestSeries.parse(newest), [parse_row(m) for m in rows], [parse_row(m) for m in longest])
    return found if _is_complete(found.newest.before, len(rows), len(longest), requested=newest_closed) else None


def missing(conditions: Sequence[Condition]) -> list[Condition]:
    """Return the conditions whose series were removed or partly lost. Raises RedisUnavailable."""
    with connections.guarded_client("state") as client, client.pipeline(transaction=True) as pipeline:
        for condition in conditions:
            pipeline.hget(LIVE.series, str(condition))
            pipeline.zcard(LIVE.closed_series(condition))
            pipeline.zcard(LIVE.longest_series(condition))
        replies = pipeline.execute()
    return [
        one for number, one in enumerate(conditions) if not _is_stored_completely(*replies[3 * number : 3 * number + 3])
    ]


def _is_stored_completely(newest: bytes | None, closed: int, longest: int) -> bool:
    return newest is not None and _is_complete(
        NewestSeries.parse(newest).before, closed, longest, requested=MAX_CLOSED_SERIES
    )


def _is_complete(before: int, closed: int, longest: int, *, requested: int) -> bool:
    """Return True if Redis returned as many series as the view stores; of the closed ones, as many as requested."""
    return closed == min(before, requested, MAX_CLOSED_SERIES) and longest == min(before, MAX_LONGEST_SERIES)


def restore(writer: Writer, columns: Columns, conditions: Sequence[Condition]) -> None:
    """Compute the series of these conditions over all games and store them.

    Raises WriterFenced, RedisUnavailable.
    """
    for condition in conditions:
        writer.extend()
        _put(writer, condition, encode_series(columns, condition))


def _put(writer: Writer, condition: Condition, found: EncodedSeries) -> None:
    rows: list[str | int] = [
        item for members in (found.closed, found.longest) for pair in members.items() for item in pair
    ]
    with connections.guarded_client("state") as client:
        status = scripts.put_series(
            client,
            [WRITER.key(), LIVE.series, LIVE.closed_series(condition), LIVE.longest_series(condition)],
            [writer.token, str(condition), str(found.newest), len(found.closed), *rows],
        )
    if status != b"put":
        raise WriterFenced


def _encode_numbers(series: Series) -> str:
    return f"{series.start} {series.end} {series.length} {series.closer} {series.streak}"
