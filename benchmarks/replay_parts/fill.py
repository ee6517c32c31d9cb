"""Fill table and view with generated games. Run by benchmarks.replay, on its servers.

python -m benchmarks.replay_parts.fill GAMES
"""

import sys

import django

django.setup()

from analytics import services  # noqa: E402
from benchmarks import _games_table  # noqa: E402
from cachecore import versions  # noqa: E402
from cachecore.clock import now_ms  # noqa: E402
from games.keys import GAMES  # noqa: E402

if __name__ == "__main__":
    _games_table.copy_games(_games_table.generate_games(int(sys.argv[1]), now_ms()))
    _games_table.vacuum()
    versions.raise_version(GAMES)
    services.rebuild_view()
