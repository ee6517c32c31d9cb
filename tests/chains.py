"""Genuine rounds, computed by formula from published hashes and not copied from a recording."""

from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from itertools import islice

from games import fairness
from games.rounds import Round

# BC.Game 5,900,000, salt of block 758,160.
BCGAME_LAST = 5_900_000
BCGAME_HASH = "5afc2cdf0d5645faa91a8d16c752bdb2a3d12627853dc31f05e6f311aee45895"
# Bustabit v2 1,398,009: 105710.05x.
BUSTABIT_LAST = 1_398_009
BUSTABIT_HASH = "7d58fa510e6ad19a5c2a08302906110702ad354c3d275592068bc3df9cd7fd1d"

MAX_STEPS = 100_000  # about 0.1 s


def bcgame_rounds(n: int, last: int = BCGAME_LAST) -> list[Round]:
    """Return `n` rounds of BC.Game up to `last` in ascending order, without times."""
    return _rounds("bcgame", BCGAME_LAST, BCGAME_HASH, n, last)


def bustabit_rounds(n: int, last: int = BUSTABIT_LAST) -> list[Round]:
    """Return `n` rounds of Bustabit v2, for tests that set SITE."""
    return _rounds("bustabit", BUSTABIT_LAST, BUSTABIT_HASH, n, last)


def timed(rounds: list[Round], last_end: datetime, spacing: timedelta = timedelta(seconds=20)) -> list[Round]:
    """Return the rounds with times, one per `spacing` with five seconds of preparation; the last ends at `last_end`."""
    reversed_rounds = []
    for back, round_ in enumerate(reversed(rounds)):
        end = last_end - back * spacing
        prepare = end - spacing
        begin = prepare + timedelta(seconds=5)
        reversed_rounds.append(replace(round_, prepare_time=prepare, begin_time=begin, end_time=end))
    return reversed_rounds[::-1]


def _rounds(site: str, last_known: int, hash_: str, n: int, last: int) -> list[Round]:
    if not 0 <= last_known - last <= MAX_STEPS - n:
        raise ValueError(f"{last} is not within {MAX_STEPS} games before {last_known}")
    hashes = _hashes(site, last_known, hash_, last_known - last + n)[-n:] if n else ()
    return [_round(site, game_id, game_hash) for game_id, game_hash in reversed(hashes)]


@cache
def _hashes(site: str, last_known: int, hash_: str, steps: int) -> tuple[tuple[int, str], ...]:
    formula = fairness.formula_for(site, last_known)
    assert formula is not None
    return tuple(islice(fairness.chain(formula, hash_, last_known), steps))


def _round(site: str, game_id: int, hash_: str) -> Round:
    formula = fairness.formula_for(site, game_id)
    assert formula is not None
    hundredths = fairness.crash_hundredths(formula, hash_)
    assert hundredths is not None
    return Round(game_id=game_id, crash_hundredths=hundredths, hash=hash_)
