"""Record as many games, one by one, as the number in each line on stdin says.

For each game the output is a line [game id, time of the commit], by the system's monotonic clock, which all processes
share.
"""

import json
import sys
import time
from collections.abc import Iterator

import django

django.setup()

from django.db import transaction  # noqa: E402

from benchmarks._games_table import FIRST_GAME, generate_games  # noqa: E402
from cachecore.clock import now_ms  # noqa: E402
from games.models import Game  # noqa: E402
from games.rounds import Round  # noqa: E402
from games.services import record_games  # noqa: E402
from games.times import from_unix_ms  # noqa: E402

CRASH_POINTS = 10_000  # after so many games they repeat


def rounds() -> Iterator[Round]:
    newest = Game.objects.order_by("-game_id").values_list("game_id", flat=True).first()
    game_id = newest or FIRST_GAME
    crashes = generate_games(CRASH_POINTS, 0).crash.tolist()
    while True:
        game_id += 1
        yield Round(game_id=game_id, crash_hundredths=crashes[game_id % CRASH_POINTS], end_time=from_unix_ms(now_ms()))


def record(round_: Round) -> float:
    """Record a round and return the time of its commit, which is read before the hooks that announce it."""
    committed: list[float] = []
    with transaction.atomic():
        transaction.on_commit(lambda: committed.append(time.monotonic()))
        record_games([round_], source="benchmark")
    return committed[0]


if __name__ == "__main__":
    supply = rounds()
    print("ready", flush=True)
    for line in sys.stdin:
        for _ in range(int(line)):
            next_round = next(supply)
            print(json.dumps([next_round.game_id, record(next_round)]), flush=True)
