"""The games of windows, read from the live view's ledger."""

from collections.abc import Mapping, Sequence

from analytics.columns import Columns, Slice, Window, WindowWithContext
from analytics.compute.last_games import LastGames, has_enough, last_games
from analytics.compute.series import may_end_later, may_start_earlier
from analytics.conditions import Condition
from analytics.live.keys import BUCKET_SECONDS, CHUNK_GAMES
from analytics.live.ledger import ChunkSummary
from analytics.live.reader import ViewState
from analytics.live.view_snapshot import ChunkNumbers, ViewSnapshot, newer_chunks, older_chunks, read_snapshot


def slices_of(windows: Sequence[Window]) -> tuple[ViewState, list[Slice]] | None:
    """Return the view's state and the games of these windows.

    Return None if there is no view, or if a window begins before its ledger. Raises RedisUnavailable,
    ViewChangedDuringRead.
    """

    def needed_chunks(snapshot: ViewSnapshot) -> ChunkNumbers | None:
        if not all(_covers(window, snapshot) for window in windows):
            return None
        return {number for window in windows for number in _chunks_for(window, snapshot.index)}

    snapshot = read_snapshot(("slices", *map(_window_shape, windows)), needed_chunks)
    return None if snapshot is None else (snapshot.state, [_slice(window, snapshot) for window in windows])


def window_with_context(window: Window, conditions: Sequence[Condition]) -> tuple[ViewState, WindowWithContext] | None:
    """Return a window together with every series of these conditions that has a game in it.

    Return None if there is no view, or if its ledger does not hold all of these games. Raises RedisUnavailable,
    ViewChangedDuringRead.
    """

    def needed_chunks(snapshot: ViewSnapshot) -> ChunkNumbers | None:
        if not _covers(window, snapshot):
            return None
        chosen = set(_chunks_for(window, snapshot.index))
        inside = _slice(window, snapshot).columns
        if not chosen <= snapshot.loaded_chunks or not len(inside):
            return chosen
        first, last = int(inside.ids[0]), int(inside.ids[-1])
        span = {number for number in snapshot.index if first // CHUNK_GAMES <= number <= last // CHUNK_GAMES}
        if not span <= snapshot.loaded_chunks:
            return span
        context, loaded = _loaded_around(snapshot, span)
        if may_start_earlier(context, conditions, first):
            earlier = older_chunks(snapshot, loaded)
            if not earlier and not snapshot.state.holds_all_games:
                return None
            span |= earlier
        if may_end_later(context, conditions, last):
            span |= newer_chunks(snapshot, loaded)
        return span

    snapshot = read_snapshot(("window with context", _window_shape(window), *conditions), needed_chunks)
    if snapshot is None:
        return None
    found = _slice(window, snapshot)
    ends = {int(game_id) // CHUNK_GAMES for game_id in found.columns.ids[[0, -1]]} if len(found.columns) else set()
    context = _loaded_around(snapshot, ends)[0] if ends else Columns.empty()
    return snapshot.state, WindowWithContext(found, context, found.coverage.last_game == snapshot.state.newest)


def last_met(conditions: Sequence[Condition], limit: int) -> tuple[ViewState, list[LastGames]] | None:
    """Return the newest games that met each condition; None if the ledger does not reach back to them."""

    def needed_chunks(snapshot: ViewSnapshot) -> ChunkNumbers | None:
        if snapshot.state.changes_below_ledger:
            return None
        columns, chosen = _newest_loaded(snapshot)
        if chosen and has_enough(columns, conditions, limit):
            return chosen
        earlier = older_chunks(snapshot, chosen)
        return chosen | earlier if earlier or snapshot.state.holds_all_games else None

    snapshot = read_snapshot(("last met", *conditions, limit), needed_chunks)
    return None if snapshot is None else (snapshot.state, last_games(_newest_loaded(snapshot)[0], conditions, limit))


def _window_shape(window: Window) -> tuple[object, ...]:
    """Identify a window by its size instead of its time: windows of about one length need about the same chunks."""
    return window.kind, window.count, window.skip, (window.to_ms - window.from_ms) // (BUCKET_SECONDS * 1000)


def _covers(window: Window, snapshot: ViewSnapshot) -> bool:
    """Return True if the ledger holds every game that may lie in the window."""
    view = snapshot.state
    if view.changes_below_ledger:
        return False
    if view.holds_all_games:
        return True
    if window.of_time:
        return window.from_ms > view.max_end_ms_below_ledger
    games = sum(summary.games for summary in snapshot.index.values())
    return window.kind == "games" and games >= window.count + window.skip


def _chunks_for(window: Window, index: Mapping[int, ChunkSummary]) -> list[int]:
    """Return the chunks that may hold games of the window."""
    if window.kind == "all":
        return list(index)
    if window.of_time:
        return [number for number, summary in index.items() if summary.overlaps(window.from_ms, window.to_ms)]
    chosen: list[int] = []
    found = 0
    for number in sorted(index, reverse=True):
        if found >= window.count + window.skip:
            break
        chosen.append(number)
        found += index[number].games
    return sorted(chosen)


def _slice(window: Window, snapshot: ViewSnapshot) -> Slice:
    loaded = snapshot.columns
    if window.kind == "all":
        return Slice(loaded, len(loaded), reaches_back=True)
    if window.kind == "games":
        newest = loaded.newest(window.count, window.skip)
        return Slice(newest, len(newest), reaches_back=len(newest) == window.count)
    inside = loaded.where(loaded.between(window.from_ms, window.to_ms))
    return Slice(inside, _recorded_between(inside, snapshot), _reaches_back(window, snapshot))


def _recorded_between(inside: Columns, snapshot: ViewSnapshot) -> int:
    """Count the games recorded from the first to the last id of the window, also those of chunks that are not loaded.

    A chunk in between may hold no game of the window, so it need not be loaded: its count is in the index.
    """
    if not len(inside):
        return 0
    first, last = int(inside.ids[0]), int(inside.ids[-1])
    return len(snapshot.columns.ids_between(first, last)) + sum(
        summary.games
        for number, summary in snapshot.index.items()
        if first // CHUNK_GAMES < number < last // CHUNK_GAMES and number not in snapshot.loaded_chunks
    )


def _reaches_back(window: Window, snapshot: ViewSnapshot) -> bool:
    """Return True if a game ended at the start of the window or earlier: the data do not begin inside the window."""
    if snapshot.state.max_end_ms_below_ledger:  # a game below the ledger, and the window begins after it
        return True
    earlier_chunk = any(summary.timed and summary.max_end_ms < window.from_ms for summary in snapshot.index.values())
    loaded = snapshot.columns
    return earlier_chunk or bool((loaded.timed() & (loaded.end_ms <= window.from_ms)).any())


def _newest_loaded(snapshot: ViewSnapshot) -> tuple[Columns, ChunkNumbers]:
    """Return the games of the loaded chunks that reach up to the newest chunk without a gap, and these chunks."""
    newest = max(snapshot.index, default=None)
    return (Columns.empty(), set()) if newest not in snapshot.loaded_chunks else _loaded_around(snapshot, {newest})


def _loaded_around(snapshot: ViewSnapshot, span: ChunkNumbers) -> tuple[Columns, ChunkNumbers]:
    """Return the games of the loaded chunks that adjoin `span` without a gap, and these chunks."""
    numbers = sorted(snapshot.index)
    first, last = numbers.index(min(span)), numbers.index(max(span))
    while first > 0 and numbers[first - 1] in snapshot.loaded_chunks:
        first -= 1
    while last + 1 < len(numbers) and numbers[last + 1] in snapshot.loaded_chunks:
        last += 1
    chunks = numbers[first : last + 1]
    games = snapshot.columns.ids_between(chunks[0] * CHUNK_GAMES, (chunks[-1] + 1) * CHUNK_GAMES - 1)
    return games, set(chunks)
