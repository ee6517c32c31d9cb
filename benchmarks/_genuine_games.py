"""Fill the environment's database and live view with games of a genuine chain, the newest of which ends now.

python -m benchmarks._genuine_games 6000
"""

import math
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice

import django

django.setup()

from django.core.management import call_command  # noqa: E402

from analytics.services import apply_pending  # noqa: E402
from games import fairness  # noqa: E402
from games.rounds import Round  # noqa: E402
from games.services import record_games  # noqa: E402

NEWEST_GAME = 5_900_000
NEWEST_HASH = "5afc2cdf0d5645faa91a8d16c752bdb2a3d12627853dc31f05e6f311aee45895"
GROWTH_PER_MS = 0.00006  # BC.Game's curve: a game that crashes at x lasts ln(x) / 0.00006 ms
PAUSE = timedelta(milliseconds=12_400)  # between a crash and the start of the next game
BATCH_GAMES = 1_000


def fill(games: int) -> None:
    call_command("migrate", verbosity=0)
    rounds = list(islice(_newest_first(), games))
    for start in range(0, games, BATCH_GAMES):
        record_games(rounds[start : start + BATCH_GAMES], source="benchmark")
    apply_pending()


def _newest_first() -> Iterator[Round]:
    formula = fairness.formula_for("bcgame", NEWEST_GAME)
    assert formula is not None
    end = datetime.now(UTC)
    for game_id, hash_ in fairness.chain(formula, NEWEST_HASH, NEWEST_GAME):
        hundredths = fairness.crash_hundredths(formula, hash_)
        assert hundredths is not None
        begin = end - timedelta(milliseconds=math.log(hundredths / 100) / GROWTH_PER_MS)
        yield Round(game_id=game_id, crash_hundredths=hundredths, hash=hash_, begin_time=begin, end_time=end)
        end = begin - PAUSE


if __name__ == "__main__":
    fill(int(sys.argv[1]))
