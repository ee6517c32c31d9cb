"""Replayed rounds: their hashes and crash points are real, their times are synthetic.

A game is prepared 6.4 s after the previous one has ended and begins 6 s later. Its duration follows from its crash
point: the multiplier grows as e^(0.00006 ms), as in the site's own rounds. All durations are divided by the speed.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice, takewhile
from math import floor, log
from typing import Final

from games.feeds.replay.chain import FIRST_GAME, LAST_GAME, crash_of, hash_of
from games.rounds import Round

SOURCE: Final = "replay (synthetic times)"

GROWTH_PER_MS: Final = 0.00006
PAUSE_MS: Final = 12_400  # from the end of a game to the beginning of the next
BETTING_MS: Final = 6_000  # the part of it between prepare and begin
DAY: Final = timedelta(hours=24)


def flight_ms(crash_hundredths: int) -> int:
    return floor(log(crash_hundredths / 100) / GROWTH_PER_MS)


def rounds_after(game_id: int, end: datetime, speed: float) -> Iterator[tuple[datetime, Round]]:
    """Yield (end time, round) of every game after `game_id`, which ended at `end`, to the end of the chain.

    End times keep their microseconds here. Cut to milliseconds, a fast replay would run ahead of the clock.
    """
    for following in range(game_id + 1, LAST_GAME + 1):
        crash = crash_of(following)
        begin = end + timedelta(milliseconds=PAUSE_MS / speed)
        prepare = begin - timedelta(milliseconds=BETTING_MS / speed)
        end = begin + timedelta(milliseconds=flight_ms(crash) / speed)
        yield (
            end,
            Round(
                game_id=following,
                crash_hundredths=crash,
                hash=hash_of(following),
                prepare_time=prepare,
                begin_time=begin,
                end_time=end,
            ),
        )


def due_rounds(game_id: int, end: datetime, now: datetime, *, speed: float, limit: int) -> list[Round]:
    """Return the rounds that have ended by `now`, oldest first, at most `limit`."""
    ended = takewhile(lambda timed: timed[0] <= now, rounds_after(game_id, end, speed))
    return [round_ for _, round_ in islice(ended, limit)]


def first_day(now: datetime) -> list[Round]:
    """Return the first games of the chain, at natural speed, as if played in the 24 hours before `now`."""
    return due_rounds(FIRST_GAME - 1, now - DAY, now, speed=1, limit=LAST_GAME - FIRST_GAME + 1)
