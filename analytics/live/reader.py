"""Read the live view. What belongs together is read in one transaction: version, index and chunks of one moment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from redis.client import Pipeline

from analytics.columns import Columns, Coverage, Slice, Window
from analytics.compute.occurrences import Occurrences
from analytics.conditions import Condition
from analytics.live import ledger
from analytics.live.keys import CHUNK_GAMES, EPOCH, LIVE, VERSION
from analytics.live.ledger import ChunkFacts
from cachecore import connections

MOVING_RETRIES = 5
STATE_FIELDS = {b"games", b"floor", b"bucket_floor", b"below", b"below_end", b"conditions", b"built_ms"}


@dataclass(frozen=True, slots=True)
class Head:
    """The view at one moment. `floor`: oldest id its ledger keeps; `games` counts all, also below it.

    `below`: changes below the floor that no rebuild has taken in yet; `below_end_ms`: no game down there ended later.
    """

    version: int
    epoch: str
    games: int
    first: int | None
    newest: int | None
    first_ms: int
    newest_ms: int
    floor: int
    bucket_floor: int
    below: int
    below_end_ms: int
    conditions: str
    built_ms: int

    @property
    def holds_all(self) -> bool:
        """Whether the ledger holds every game: nothing was dropped."""
        return self.first is None or self.first >= self.floor

    @property
    def coverage(self) -> Coverage:
        """Of all games."""
        span = self.newest - self.first + 1 if self.newest is not None and self.first is not None else 0
        return Coverage(
            self.first, self.newest, self.first_ms, self.newest_ms, self.games, span - self.games, complete=True
        )


class Moving(Exception):
    """The view moved on during every try; ask the table."""


def head() -> Head | None:
    """None when there is no view. Raises RoleUnavailable."""
    with connections.use("state") as client, client.pipeline(transaction=True) as pipeline:
        _ask_head(pipeline)
        return _head(pipeline.execute())


def slice_of(window: Window) -> tuple[Head, Slice] | None:
    """The games of a window; None when the view is absent or its ledger does not hold the whole window.

    Raises RoleUnavailable, Moving.
    """
    chosen: list[int] = []
    for _ in range(MOVING_RETRIES):
        view, index, data = _read(chosen)
        if view is None or not _covers(window, view, index):
            return None
        needed = _chunks_for(window, index)
        if needed == chosen:
            return view, _slice(window, view, index, ledger.decode(data))
        chosen = needed
    raise Moving


def all_time(conditions: Sequence[Condition]) -> tuple[Head, tuple[Coverage, list[Occurrences]]] | None:
    """Counts over all games for configured conditions; None where one is not configured. Raises RoleUnavailable."""
    with connections.use("state") as client, client.pipeline(transaction=True) as pipeline:
        _ask_head(pipeline)
        for condition in conditions:
            pipeline.hgetall(LIVE.occurrences(condition))
        replies = pipeline.execute()
    view, cells = _head(replies), replies[3:]
    if view is None or view.below or not all(cells):
        return None
    return view, (view.coverage, [_occurrences(c, cell) for c, cell in zip(conditions, cells, strict=True)])


def chunks(numbers: Sequence[int]) -> Columns:
    """The ledger's games of these chunks, whatever the version. Raises RoleUnavailable."""
    with connections.use("state") as client:
        data = client.mget([LIVE.ledger(number) for number in numbers]) if numbers else []
    return ledger.decode({n: d for n, d in zip(numbers, data, strict=True) if d is not None})


def index() -> dict[int, ChunkFacts]:
    with connections.use("state") as client:
        return _index(client.hgetall(LIVE.chunks))


def _read(numbers: Sequence[int]) -> tuple[Head | None, dict[int, ChunkFacts], dict[int, bytes]]:
    with connections.use("state") as client, client.pipeline(transaction=True) as pipeline:
        _ask_head(pipeline)
        pipeline.hgetall(LIVE.chunks)
        if numbers:
            pipeline.mget([LIVE.ledger(number) for number in numbers])
        replies = pipeline.execute()
    data = dict(zip(numbers, replies[4], strict=True)) if numbers else {}
    return _head(replies), _index(replies[3]), {n: d for n, d in data.items() if d is not None}


def _ask_head(pipeline: Pipeline) -> None:
    pipeline.get(VERSION.key())
    pipeline.get(EPOCH.key())
    pipeline.hgetall(LIVE.state)


def _head(replies: Sequence[Any]) -> Head | None:
    version, epoch, state = replies[:3]
    if version is None or epoch is None or not state.keys() >= STATE_FIELDS:
        return None  # never built, or lost in part; the next writer builds it
    return Head(
        version=int(version),
        epoch=epoch.decode(),
        games=int(state[b"games"]),
        first=int(state[b"first"]) if b"first" in state else None,
        newest=int(state[b"head"]) if b"head" in state else None,
        first_ms=int(state.get(b"first_time", 0)),
        newest_ms=int(state.get(b"head_time", 0)),
        floor=int(state[b"floor"]),
        bucket_floor=int(state[b"bucket_floor"]),
        below=int(state[b"below"]),
        below_end_ms=int(state[b"below_end"]),
        conditions=state[b"conditions"].decode(),
        built_ms=int(state[b"built_ms"]),
    )


def _index(fields: Mapping[bytes, bytes]) -> dict[int, ChunkFacts]:
    return {int(number): ChunkFacts.parse(text) for number, text in sorted(fields.items(), key=lambda f: int(f[0]))}


def _occurrences(condition: Condition, cells: Mapping[bytes, bytes]) -> Occurrences:
    first, last = (int(cells.get(name, 0)) or None for name in (b"first_game_time", b"last_game_time"))
    return Occurrences(condition, int(cells[b"count"]), int(cells[b"total_games"]), first, last)


def _covers(window: Window, view: Head, index: Mapping[int, ChunkFacts]) -> bool:
    """Whether everything the window may hold is in the ledger."""
    if view.below:
        return False
    if view.holds_all:
        return True
    if window.of_time:
        return window.from_ms > view.below_end_ms
    return window.kind == "games" and sum(facts.games for facts in index.values()) >= window.count


def _chunks_for(window: Window, index: Mapping[int, ChunkFacts]) -> list[int]:
    """Chunks that may hold games of the window."""
    if window.kind == "all":
        return list(index)
    if window.of_time:
        return [number for number, facts in index.items() if facts.overlaps(window.from_ms, window.to_ms)]
    chosen: list[int] = []
    found = 0
    for number in sorted(index, reverse=True):
        if found >= window.count:
            break
        chosen.append(number)
        found += index[number].games
    return sorted(chosen)


def _slice(window: Window, view: Head, index: Mapping[int, ChunkFacts], read: Columns) -> Slice:
    if window.kind == "all":
        return Slice(read, len(read), reaches_back=True)
    if window.kind == "games":
        newest = read.newest(window.count)
        return Slice(newest, len(newest), reaches_back=len(newest) == window.count)
    inside = read.where(read.between(window.from_ms, window.to_ms))
    return Slice(inside, _recorded_between(inside, index, read), _reaches_back(window, view, index, read))


def _recorded_between(inside: Columns, index: Mapping[int, ChunkFacts], read: Columns) -> int:
    """Games recorded from the first to the last id of the window: those read, and whole chunks that were not."""
    if not len(inside):
        return 0
    first, last = int(inside.ids[0]), int(inside.ids[-1])
    among_read = int(((read.ids >= first) & (read.ids <= last)).sum())
    read_chunks = set((read.ids // CHUNK_GAMES).tolist())
    return among_read + sum(
        facts.games
        for number, facts in index.items()
        if first // CHUNK_GAMES < number < last // CHUNK_GAMES and number not in read_chunks
    )


def _reaches_back(window: Window, view: Head, index: Mapping[int, ChunkFacts], read: Columns) -> bool:
    """Whether a game ended before the window begins (or just then): the data are not cut off inside it."""
    if view.below_end_ms:  # of a game below the floor, and the window begins after it
        return True
    earlier_chunk = any(facts.timed and facts.max_end_ms < window.from_ms for facts in index.values())
    return earlier_chunk or bool((read.timed() & (read.end_ms <= window.from_ms)).any())
