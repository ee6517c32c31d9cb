"""Replayed rounds: hash and crash point are real, the times are made up.

A game ends, 6.4 s later the next is prepared, 6 s later it begins, and it flies as long as its multiplier needs:
e^(0.00006 ms), the growth the site's own rounds show. Everything but the crash point is divided by the speed.
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
PAUSE_MS: Final = 12_400  # from one game's end to the next one's begin
BETTING_MS: Final = 6_000  # the part of it between prepare and begin
DAY: Final = timedelta(hours=24)


def flight_ms(crash_hundredths: int) -> int:
    return floor(log(crash_hundredths / 100) / GROWTH_PER_MS)


def rounds_after(game_id: int, end: datetime, speed: float) -> Iterator[tuple[datetime, Round]]:
    """Yield (end time, round) of every game after `game_id`, which ended at `end`, to the end of the chain.

    End times keep their microseconds here: cut to milliseconds, a fast replay would gain on the clock.
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
    """Those that have ended by `now`, oldest first, `limit` at the most."""
    ended = takewhile(lambda timed: timed[0] <= now, rounds_after(game_id, end, speed))
    return [told for _, told in islice(ended, limit)]


def first_day(now: datetime) -> list[Round]:
    """The first games of the chain at natural speed, over the 24 hours before `now`."""
    return due_rounds(FIRST_GAME - 1, now - DAY, now, speed=1, limit=LAST_GAME - FIRST_GAME + 1)
