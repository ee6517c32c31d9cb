"""Fill table and view with games as the law would have them. Run by benchmarks.replay, on its servers.

python -m benchmarks.replay_parts.fill GAMES
"""

import sys

import django

django.setup()

from analytics import services  # noqa: E402
from benchmarks import _table  # noqa: E402
from cachecore import versions  # noqa: E402
from cachecore.clock import now_ms  # noqa: E402
from games.keys import GAMES  # noqa: E402

if __name__ == "__main__":
    _table.copy(_table.generated(int(sys.argv[1]), now_ms()))
    _table.settle()
    versions.raise_version(GAMES)
    services.rebuild_view()
