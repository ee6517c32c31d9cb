"""The games of windows, from the ledger."""

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
    """The games of these windows; None when there is no view or its ledger does not hold all of one.

    Raises RedisUnavailable, Moving.
    """

    def needed(moment: ViewSnapshot) -> ChunkNumbers | None:
        if not all(_covers(window, moment) for window in windows):
            return None
        return {number for window in windows for number in _chunks_for(window, moment.index)}

    moment = read_snapshot(("slices", *map(_window_shape, windows)), needed)
    return None if moment is None else (moment.state, [_slice(window, moment) for window in windows])


def window_with_context(window: Window, conditions: Sequence[Condition]) -> tuple[ViewState, WindowWithContext] | None:
    """A window, and around it every series of these conditions that holds a game of it. None and raises: as above."""

    def needed(moment: ViewSnapshot) -> ChunkNumbers | None:
        if not _covers(window, moment):
            return None
        chosen = set(_chunks_for(window, moment.index))
        inside = _slice(window, moment).columns
        if not chosen <= moment.loaded_chunks or not len(inside):
            return chosen
        ends = int(inside.ids[0]), int(inside.ids[-1])
        span = {number for number in moment.index if ends[0] // CHUNK_GAMES <= number <= ends[1] // CHUNK_GAMES}
        if not span <= moment.loaded_chunks:
            return span
        around, read = _loaded_around(moment, span)
        if may_start_earlier(around, conditions, ends[0]):
            earlier = older_chunks(moment, read)
            if not earlier and not moment.state.holds_all_games:
                return None
            span |= earlier
        if may_end_later(around, conditions, ends[1]):
            span |= newer_chunks(moment, read)
        return span

    moment = read_snapshot(("stretch", _window_shape(window), *conditions), needed)
    if moment is None:
        return None
    found = _slice(window, moment)
    ends = {int(game_id) // CHUNK_GAMES for game_id in found.columns.ids[[0, -1]]} if len(found.columns) else set()
    around = _loaded_around(moment, ends)[0] if ends else Columns.empty()
    return moment.state, WindowWithContext(found, around, found.coverage.last_game == moment.state.newest)


def last_met(conditions: Sequence[Condition], limit: int) -> tuple[ViewState, list[LastGames]] | None:
    """The newest games that met each condition; None where the ledger does not reach back to them."""

    def needed(moment: ViewSnapshot) -> ChunkNumbers | None:
        if moment.state.changes_below_ledger:
            return None
        columns, chosen = _newest_loaded(moment)
        if chosen and has_enough(columns, conditions, limit):
            return chosen
        earlier = older_chunks(moment, chosen)
        return chosen | earlier if earlier or moment.state.holds_all_games else None

    moment = read_snapshot(("last met", *conditions, limit), needed)
    return None if moment is None else (moment.state, last_games(_newest_loaded(moment)[0], conditions, limit))


def _window_shape(window: Window) -> tuple[object, ...]:
    """The question without the time at which it is asked: windows of about one length need about the same chunks."""
    return window.kind, window.count, window.skip, (window.to_ms - window.from_ms) // (BUCKET_SECONDS * 1000)


def _covers(window: Window, moment: ViewSnapshot) -> bool:
    """Whether everything the window may hold is in the ledger."""
    view = moment.state
    if view.changes_below_ledger:
        return False
    if view.holds_all_games:
        return True
    if window.of_time:
        return window.from_ms > view.max_end_ms_below_ledger
    games = sum(facts.games for facts in moment.index.values())
    return window.kind == "games" and games >= window.count + window.skip


def _chunks_for(window: Window, index: Mapping[int, ChunkSummary]) -> list[int]:
    """Chunks that may hold games of the window."""
    if window.kind == "all":
        return list(index)
    if window.of_time:
        return [number for number, facts in index.items() if facts.overlaps(window.from_ms, window.to_ms)]
    chosen: list[int] = []
    found = 0
    for number in sorted(index, reverse=True):
        if found >= window.count + window.skip:
            break
        chosen.append(number)
        found += index[number].games
    return sorted(chosen)


def _slice(window: Window, moment: ViewSnapshot) -> Slice:
    read = moment.columns
    if window.kind == "all":
        return Slice(read, len(read), reaches_back=True)
    if window.kind == "games":
        newest = read.newest(window.count, window.skip)
        return Slice(newest, len(newest), reaches_back=len(newest) == window.count)
    inside = read.where(read.between(window.from_ms, window.to_ms))
    return Slice(inside, _recorded_between(inside, moment), _reaches_back(window, moment))


def _recorded_between(inside: Columns, moment: ViewSnapshot) -> int:
    """Games recorded from the first to the last id of the window: those read, and whole chunks that were not."""
    if not len(inside):
        return 0
    first, last = int(inside.ids[0]), int(inside.ids[-1])
    return len(moment.columns.ids_between(first, last)) + sum(
        facts.games
        for number, facts in moment.index.items()
        if first // CHUNK_GAMES < number < last // CHUNK_GAMES and number not in moment.loaded_chunks
    )


def _reaches_back(window: Window, moment: ViewSnapshot) -> bool:
    """Whether a game ended before the window begins (or just then): the data are not cut off inside it."""
    if moment.state.max_end_ms_below_ledger:  # of a game below the floor, and the window begins after it
        return True
    earlier_chunk = any(facts.timed and facts.max_end_ms < window.from_ms for facts in moment.index.values())
    read = moment.columns
    return earlier_chunk or bool((read.timed() & (read.end_ms <= window.from_ms)).any())


def _newest_loaded(moment: ViewSnapshot) -> tuple[Columns, ChunkNumbers]:
    """The games of the unbroken row of chunks that were read up to the newest, and the chunks."""
    newest = max(moment.index, default=None)
    return (Columns.empty(), set()) if newest not in moment.loaded_chunks else _loaded_around(moment, {newest})


def _loaded_around(moment: ViewSnapshot, span: ChunkNumbers) -> tuple[Columns, ChunkNumbers]:
    """The games of the unbroken row of chunks that were read around `span`, and the chunks."""
    numbers = sorted(moment.index)
    first, last = numbers.index(min(span)), numbers.index(max(span))
    while first > 0 and numbers[first - 1] in moment.loaded_chunks:
        first -= 1
    while last + 1 < len(numbers) and numbers[last + 1] in moment.loaded_chunks:
        last += 1
    read = numbers[first : last + 1]
    return moment.columns.ids_between(read[0] * CHUNK_GAMES, (read[-1] + 1) * CHUNK_GAMES - 1), set(read)
