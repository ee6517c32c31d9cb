"""Read as much of the ledger as a question needs, all of it at one moment.

Which chunks are needed shows only as they are read, so a read is repeated with more of them; each is one transaction.
The first one begins with the chunks that the same kind of question needed last: mostly it suffices.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

from redis.client import Pipeline

from analytics.bounded_cache import Remembered
from analytics.columns import Columns
from analytics.live import ledger
from analytics.live.keys import LIVE
from analytics.live.ledger import ChunkFacts
from analytics.live.reader import HEAD_REPLIES, Head, ask_head, damaged, parse_head, parse_index
from cachecore.redis_client import connections

MAX_READS = 20  # the chunks read double each time
MAX_QUESTIONS = 256

Numbers = set[int]
Ask = Callable[[Pipeline], None]


_needed_last: Remembered[Hashable, frozenset[int]] = Remembered(MAX_QUESTIONS)  # only a guess


class Moving(Exception):
    """The view moved on during every try; ask the table."""


@dataclass(frozen=True, slots=True, eq=False)
class Moment:
    """The view's head and index, the games of the chunks in `read`, and the replies to what else was asked."""

    head: Head
    index: dict[int, ChunkFacts]
    read: frozenset[int]
    columns: Columns
    replies: list[Any]


def read_until(
    question: Hashable, needed: Callable[[Moment], Numbers | None], ask: Ask = lambda pipeline: None
) -> Moment | None:
    """The moment that holds every chunk `needed` tells of it; None when it tells None or there is no view.

    `question`: what is asked, but for the time. Raises RedisUnavailable, Moving.
    """
    chosen: Numbers = set(_needed_last.get(question) or ())
    for _ in range(MAX_READS):
        moment = _read(sorted(chosen), ask)
        more = needed(moment) if moment is not None else None
        if moment is None or more is None:
            return None
        if more <= chosen:
            _needed_last.set(question, frozenset(more))
            return moment
        chosen |= more
    raise Moving


def older(moment: Moment, chosen: Numbers) -> Numbers:
    """As many chunks before the chosen ones as those are; the newest chunk when nothing is chosen yet."""
    numbers = sorted(moment.index)
    if not chosen:
        return set(numbers[-1:])
    return set([number for number in numbers if number < min(chosen)][-len(chosen) :])


def newer(moment: Moment, chosen: Numbers) -> Numbers:
    """As many chunks after the chosen ones as those are."""
    return set([number for number in sorted(moment.index) if number > max(chosen)][: len(chosen)])


def _read(numbers: Sequence[int], ask: Ask) -> Moment | None:
    with connections.guarded_client("state") as client, client.pipeline(transaction=True) as pipeline:
        ask_head(pipeline)
        pipeline.hgetall(LIVE.chunks)
        if numbers:
            pipeline.mget([LIVE.ledger(number) for number in numbers])
        ask(pipeline)
        replies = pipeline.execute()
    view = parse_head(replies)
    if view is None:
        return None
    after_head = replies[HEAD_REPLIES:]
    index = parse_index(after_head[0])
    if damaged(view, index):
        return None
    held = {number: chunk for number, chunk in zip(numbers, after_head[1], strict=True) if chunk} if numbers else {}
    columns = ledger.decode(held)
    if len(columns) != sum(index[number].games for number in numbers if number in index):
        return None  # a chunk was lost; the next writer builds the view anew
    return Moment(view, index, frozenset(numbers), columns, after_head[2 if numbers else 1 :])
