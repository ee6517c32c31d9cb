"""Save and apply one new game for every line on stdin.

The reply is [game id, version, start of the writer's run], the latter in seconds of the system's monotonic clock, which
all processes share.
"""

import json
import sys
import time

import django

django.setup()

from analytics import services  # noqa: E402
from analytics.live import pending, reader  # noqa: E402
from cachecore.clock import now_ms  # noqa: E402
from games.models import Game  # noqa: E402
from games.times import from_unix_ms  # noqa: E402


def apply_one_game() -> tuple[int, int, float]:
    view = reader.view_state()
    assert view is not None
    game_id = (view.newest or 0) + 1
    Game.objects.bulk_create(  # unlike save(), it sends no signal, so no worker applies the game
        [Game(game_id=game_id, crash_hundredths=234, end_time=from_unix_ms(now_ms()), source="benchmark")]
    )
    pending.mark([game_id])
    began = time.monotonic()
    services.apply_pending()
    after = reader.view_state()
    assert after is not None
    assert after.newest == game_id
    return game_id, after.version, began


if __name__ == "__main__":
    for _ in sys.stdin:
        print(json.dumps(apply_one_game()), flush=True)
