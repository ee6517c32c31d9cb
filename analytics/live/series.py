"""The series of the configured conditions, as the view keeps them: the newest, the last 1,000 closed, the ten longest.

They depend on the order of the games. In order, the script appends; where an older game changed it removes them, and
`restore` computes them anew, in the same writer's lock. So what is there is right, and what is missing is asked of
the ledger.
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

Members = dict[str, int]  # of a sorted set: row -> score
NO_ROWS = (1, 0)  # a range of ranks that holds nothing


class NewestSeries(NamedTuple):
    """The newest series, open or followed by a streak, and how many came `before`.

    Where no game has missed the condition yet its length is 0 and its streak counts every game.
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
    """What the view keeps of one condition's series."""

    newest: NewestSeries
    closed: Members
    longest: Members


@dataclass(frozen=True, slots=True)
class StoredSeries:
    """The same as read: `closed` oldest first, `longest` shortest first."""

    newest: NewestSeries
    closed: list[Series]
    longest: list[Series]

    def rows(self, sort: Literal["time", "length"]) -> list[Series]:
        """The newest first or the longest first; of equals the newest."""
        newest = [self.newest.series] if self.newest.series.length else []
        if sort == "time":
            return newest + self.closed[::-1]
        return sorted(newest + self.longest, key=lambda one: (-one.length, -one.start))


def encode_series(columns: Columns, condition: Condition) -> EncodedSeries:
    """From all games of the table."""
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
    """A member of a sorted set. The start has a fixed width, so that members of one score stand in id order."""
    return f"{series.start:016d} {series.end} {series.length} {series.closer} {series.streak}"


def parse_row(member: bytes) -> Series:
    return Series(*map(int, member.split()))


def queue_reads(pipeline: Any, condition: Condition, *, newest_closed: int) -> None:
    """Queue the reads that `known` takes: of the closed series the newest `closed`, and the ten longest."""
    pipeline.hget(LIVE.series, str(condition))
    pipeline.zrange(LIVE.closed_series(condition), *((-newest_closed, -1) if newest_closed else NO_ROWS))
    pipeline.zrange(LIVE.longest_series(condition), 0, -1)


def parse_series(replies: Sequence[Any], *, closed: int) -> StoredSeries | None:
    """Three replies of `ask`; None where the series are being computed anew, or a part of them was lost."""
    newest, rows, longest = replies
    if newest is None:
        return None
    found = StoredSeries(NewestSeries.parse(newest), [parse_row(m) for m in rows], [parse_row(m) for m in longest])
    return found if _is_complete(found.newest.before, len(rows), len(longest), requested=closed) else None


def missing(conditions: Sequence[Condition]) -> list[Condition]:
    """Those whose series were removed, or lost in part. Raises RedisUnavailable."""
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
    """Whether as many series are there as the view keeps; of the closed ones, as many as were asked for."""
    return closed == min(before, requested, MAX_CLOSED_SERIES) and longest == min(before, MAX_LONGEST_SERIES)


def restore(writer: Writer, columns: Columns, conditions: Sequence[Condition]) -> None:
    """Store the series of these conditions, computed over all games of the view.

    Raises Overtaken, RedisUnavailable.
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
