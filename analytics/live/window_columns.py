"""The games of windows, from the ledger."""

from collections.abc import Mapping, Sequence

from analytics.columns import Columns, Slice, Stretch, Window
from analytics.compute.last_games import LastGames, enough, last_games
from analytics.compute.series import reaches_earlier, reaches_later
from analytics.conditions import Condition
from analytics.live.keys import BUCKET_SECONDS, CHUNK_GAMES
from analytics.live.ledger import ChunkFacts
from analytics.live.reader import Head
from analytics.live.view_snapshot import Moment, Numbers, newer, older, read_until


def slices_of(windows: Sequence[Window]) -> tuple[Head, list[Slice]] | None:
    """The games of these windows; None when there is no view or its ledger does not hold all of one.

    Raises RedisUnavailable, Moving.
    """

    def needed(moment: Moment) -> Numbers | None:
        if not all(_covers(window, moment) for window in windows):
            return None
        return {number for window in windows for number in _chunks_for(window, moment.index)}

    moment = read_until(("slices", *map(_shape, windows)), needed)
    return None if moment is None else (moment.head, [_slice(window, moment) for window in windows])


def stretch_of(window: Window, conditions: Sequence[Condition]) -> tuple[Head, Stretch] | None:
    """A window, and around it every series of these conditions that holds a game of it. None and raises: as above."""

    def needed(moment: Moment) -> Numbers | None:
        if not _covers(window, moment):
            return None
        chosen = set(_chunks_for(window, moment.index))
        inside = _slice(window, moment).columns
        if not chosen <= moment.read or not len(inside):
            return chosen
        ends = int(inside.ids[0]), int(inside.ids[-1])
        span = {number for number in moment.index if ends[0] // CHUNK_GAMES <= number <= ends[1] // CHUNK_GAMES}
        if not span <= moment.read:
            return span
        around, read = _around(moment, span)
        if reaches_earlier(around, conditions, ends[0]):
            earlier = older(moment, read)
            if not earlier and not moment.head.holds_all:
                return None
            span |= earlier
        if reaches_later(around, conditions, ends[1]):
            span |= newer(moment, read)
        return span

    moment = read_until(("stretch", _shape(window), *conditions), needed)
    if moment is None:
        return None
    found = _slice(window, moment)
    ends = {int(game_id) // CHUNK_GAMES for game_id in found.columns.ids[[0, -1]]} if len(found.columns) else set()
    around = _around(moment, ends)[0] if ends else Columns.empty()
    return moment.head, Stretch(found, around, found.coverage.last_game == moment.head.newest)


def last_met(conditions: Sequence[Condition], limit: int) -> tuple[Head, list[LastGames]] | None:
    """The newest games that met each condition; None where the ledger does not reach back to them."""

    def needed(moment: Moment) -> Numbers | None:
        if moment.head.below:
            return None
        columns, chosen = _newest(moment)
        if chosen and enough(columns, conditions, limit):
            return chosen
        earlier = older(moment, chosen)
        return chosen | earlier if earlier or moment.head.holds_all else None

    moment = read_until(("last met", *conditions, limit), needed)
    return None if moment is None else (moment.head, last_games(_newest(moment)[0], conditions, limit))


def _shape(window: Window) -> tuple[object, ...]:
    """The question without the time at which it is asked: windows of about one length need about the same chunks."""
    return window.kind, window.count, window.skip, (window.to_ms - window.from_ms) // (BUCKET_SECONDS * 1000)


def _covers(window: Window, moment: Moment) -> bool:
    """Whether everything the window may hold is in the ledger."""
    view = moment.head
    if view.below:
        return False
    if view.holds_all:
        return True
    if window.of_time:
        return window.from_ms > view.below_end_ms
    games = sum(facts.games for facts in moment.index.values())
    return window.kind == "games" and games >= window.count + window.skip


def _chunks_for(window: Window, index: Mapping[int, ChunkFacts]) -> list[int]:
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


def _slice(window: Window, moment: Moment) -> Slice:
    read = moment.columns
    if window.kind == "all":
        return Slice(read, len(read), reaches_back=True)
    if window.kind == "games":
        newest = read.newest(window.count, window.skip)
        return Slice(newest, len(newest), reaches_back=len(newest) == window.count)
    inside = read.where(read.between(window.from_ms, window.to_ms))
    return Slice(inside, _recorded_between(inside, moment), _reaches_back(window, moment))


def _recorded_between(inside: Columns, moment: Moment) -> int:
    """Games recorded from the first to the last id of the window: those read, and whole chunks that were not."""
    if not len(inside):
        return 0
    first, last = int(inside.ids[0]), int(inside.ids[-1])
    return len(moment.columns.ids_between(first, last)) + sum(
        facts.games
        for number, facts in moment.index.items()
        if first // CHUNK_GAMES < number < last // CHUNK_GAMES and number not in moment.read
    )


def _reaches_back(window: Window, moment: Moment) -> bool:
    """Whether a game ended before the window begins (or just then): the data are not cut off inside it."""
    if moment.head.below_end_ms:  # of a game below the floor, and the window begins after it
        return True
    earlier_chunk = any(facts.timed and facts.max_end_ms < window.from_ms for facts in moment.index.values())
    read = moment.columns
    return earlier_chunk or bool((read.timed() & (read.end_ms <= window.from_ms)).any())


def _newest(moment: Moment) -> tuple[Columns, Numbers]:
    """The games of the unbroken row of chunks that were read up to the newest, and the chunks."""
    newest = max(moment.index, default=None)
    return (Columns.empty(), set()) if newest not in moment.read else _around(moment, {newest})


def _around(moment: Moment, span: Numbers) -> tuple[Columns, Numbers]:
    """The games of the unbroken row of chunks that were read around `span`, and the chunks."""
    numbers = sorted(moment.index)
    first, last = numbers.index(min(span)), numbers.index(max(span))
    while first > 0 and numbers[first - 1] in moment.read:
        first -= 1
    while last + 1 < len(numbers) and numbers[last + 1] in moment.read:
        last += 1
    read = numbers[first : last + 1]
    return moment.columns.ids_between(read[0] * CHUNK_GAMES, (read[-1] + 1) * CHUNK_GAMES - 1), set(read)
