"""Record games when told to: a line with a number in, that many saved one by one, and for each a line out.

A line out is [game id, when it was committed], the latter by the monotonic clock that all processes share.
"""

import json
import sys
import time
from collections.abc import Iterator

import django

django.setup()

from django.db import transaction  # noqa: E402

from benchmarks._table import FIRST_GAME, generated  # noqa: E402
from cachecore.clock import now_ms  # noqa: E402
from games.models import Game  # noqa: E402
from games.rounds import Round  # noqa: E402
from games.services import record_games  # noqa: E402
from games.times import from_unix_ms  # noqa: E402

CRASHES = 10_000  # then from the beginning


def rounds() -> Iterator[Round]:
    newest = Game.objects.order_by("-game_id").values_list("game_id", flat=True).first()
    game_id = newest or FIRST_GAME
    crashes = generated(CRASHES, 0).crash.tolist()
    while True:
        game_id += 1
        yield Round(game_id=game_id, crash_hundredths=crashes[game_id % CRASHES], end_time=from_unix_ms(now_ms()))


def record(told: Round) -> float:
    """As everybody does; the clock is read at the commit, before the hooks that tell of it."""
    committed: list[float] = []
    with transaction.atomic():
        transaction.on_commit(lambda: committed.append(time.monotonic()))
        record_games([told], source="benchmark")
    return committed[0]


if __name__ == "__main__":
    supply = rounds()
    print("ready", flush=True)
    for line in sys.stdin:
        for _ in range(int(line)):
            told = next(supply)
            print(json.dumps([told.game_id, record(told)]), flush=True)
