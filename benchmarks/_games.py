"""Fill the database and the live view of the environment with games of a genuine chain, the newest of them just over.

    python -m benchmarks._games 6000
"""

import math
import os
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import batched, islice

NEWEST_GAME = 5_900_000
NEWEST_HASH = "5afc2cdf0d5645faa91a8d16c752bdb2a3d12627853dc31f05e6f311aee45895"
GROWTH_PER_MS = 0.00006  # BC.Game's curve: a flight to x lasts ln(x) / 0.00006 ms
PAUSE_MS = 12_400  # between a crash and the next start
BATCH_GAMES = 1_000


def main(games: int) -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.local")
    import django

    django.setup()

    from django.core.management import call_command

    from analytics.services import apply_pending
    from games.services import record_games

    call_command("migrate", verbosity=0)
    for batch in batched(_rounds(games), BATCH_GAMES):
        record_games(batch, source="benchmark")
    apply_pending()
