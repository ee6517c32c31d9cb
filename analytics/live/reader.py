"""Read the live view: its state, its index, its chunks."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from redis.client import Pipeline

from analytics.columns import Columns, Coverage
from analytics.conditions import Condition
from analytics.live import ledger
from analytics.live.keys import ALL, CHUNK_GAMES, EPOCH, EVENTS, LIVE, PENDING, VERSION
from analytics.live.ledger import ChunkSummary
from cachecore.redis_client import connections

STATE_REPLIES = 4  # of queue_state_reads
STATE_FIELDS = {b"games", b"floor", b"bucket_floor", b"below", b"below_end", b"conditions", b"built_ms"}


@dataclass(frozen=True, slots=True)
class ViewState:
    """The view's version and counters at one moment.

    `games` counts all games, also those older than the ledger's `oldest_retained_id`. `changes_below_ledger` counts
    changes of such older games that no rebuild has applied yet; `max_end_ms_below_ledger` is their latest end time.
    `oldest_bucket` is in unix s.
    """

    version: int
    epoch: str
    games: int
    first: int | None
    newest: int | None
    first_ms: int
    newest_ms: int
    oldest_retained_id: int
    oldest_bucket: int
    changes_below_ledger: int
    max_end_ms_below_ledger: int
    conditions: str
    built_ms: int
    pending_since_ms: int | None

    def lag_ms(self, at_ms: int) -> int:
        """Return for how long the oldest pending game has waited to be applied; 0 if no game is pending."""
        return 0 if self.pending_since_ms is None else max(0, at_ms - self.pending_since_ms)

    @property
    def holds_all_games(self) -> bool:
        """True if the ledger holds every game: retention has dropped none."""
        return self.first is None or self.first >= self.oldest_retained_id

    @property
    def coverage(self) -> Coverage:
        """The coverage of a result over all games."""
        span = self.newest - self.first + 1 if self.newest is not None and self.first is not None else 0
        return Coverage(
            self.first, self.newest, self.first_ms, self.newest_ms, self.games, span - self.games, complete=True
        )


def view_state() -> ViewState | None:
    """Return the view's state, or None if there is no view. Raises RedisUnavailable."""
    with connections.guarded_client("state") as client, client.pipeline(transaction=True) as pipeline:
        queue_state_reads(pipeline)
        return parse_state(pipeline.execute())


def chunks(numbers: Sequence[int]) -> Columns:
    """Return the ledger's games of these chunks, at any version. Raises RedisUnavailable."""
    with connections.guarded_client("state") as client:
        data = client.mget([LIVE.ledger(number) for number in numbers]) if numbers else []
    return ledger.decode({n: d for n, d in zip(numbers, data, strict=True) if d is not None})


def index() -> dict[int, ChunkSummary]:
    with connections.guarded_client("state") as client:
        return parse_index(client.hgetall(LIVE.chunks))


def is_damaged(view: ViewState, index: Mapping[int, ChunkSummary]) -> bool:
    """Return True if index and state disagree on the number of games: a part was lost, for example by eviction."""
    indexed = sum(summary.games for summary in index.values())
    if view.newest is not None and view.newest // CHUNK_GAMES not in index:
        return True
    return indexed != view.games if view.holds_all_games else indexed > view.games


def all_chunks_exist(index: Iterable[int]) -> bool:
    """Return True if Redis has every chunk of the index. Raises RedisUnavailable."""
    keys = [LIVE.ledger(number) for number in index]
    with connections.guarded_client("state") as client:
        return not keys or int(client.exists(*keys)) == len(keys)


def memory_bytes(numbers: Iterable[int], conditions: Iterable[Condition]) -> int:
    """Return the memory that the view's keys use, by MEMORY USAGE. Raises RedisUnavailable."""
    keys = [LIVE.state, LIVE.chunks, LIVE.intervals(ALL), LIVE.series, EVENTS.key(), PENDING.key()]
    keys += [key for condition in conditions for key in LIVE.condition_keys(condition)]
    with connections.guarded_client("state") as client, client.pipeline(transaction=False) as pipeline:
        for key in (*keys, *(LIVE.ledger(number) for number in numbers)):
            pipeline.memory_usage(key)
        return sum(size or 0 for size in pipeline.execute())


def queue_state_reads(pipeline: Pipeline) -> None:
    """Queue the STATE_REPLIES commands whose replies `parse_state` takes."""
    pipeline.get(VERSION.key())
    pipeline.get(EPOCH.key())
    pipeline.hgetall(LIVE.state)
    pipeline.zrange(PENDING.key(), 0, 0, withscores=True)


def parse_state(replies: Sequence[Any]) -> ViewState | None:
    version, epoch, state, oldest = replies[:STATE_REPLIES]
    if version is None or epoch is None or not state.keys() >= STATE_FIELDS:
        return None  # never built, or partly lost: the next writer builds it
    return ViewState(
        version=int(version),
        epoch=epoch.decode(),
        games=int(state[b"games"]),
        first=int(state[b"first"]) if b"first" in state else None,
        newest=int(state[b"head"]) if b"head" in state else None,
        first_ms=int(state.get(b"first_time", 0)),
        newest_ms=int(state.get(b"head_time", 0)),
        oldest_retained_id=int(state[b"floor"]),
        oldest_bucket=int(state[b"bucket_floor"]),
        changes_below_ledger=int(state[b"below"]),
        max_end_ms_below_ledger=int(state[b"below_end"]),
        conditions=state[b"conditions"].decode(),
        built_ms=int(state[b"built_ms"]),
        pending_since_ms=int(oldest[0][1]) if oldest else None,
    )


def parse_index(fields: Mapping[bytes, bytes]) -> dict[int, ChunkSummary]:
    return dict(sorted((int(number), ChunkSummary.parse(text)) for number, text in fields.items()))
