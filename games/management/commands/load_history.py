import time
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from games.feeds.base import FeedMisconfigured
from games.feeds.replay.rounds import SOURCE, first_day
from games.feeds.selection import require_bcgame
from games.models import Game
from games.services import record_games

BATCH_GAMES = 500


class Command(BaseCommand):
    help = "Fill an empty table with the first day of the replayed chain (FEED=replay)."

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.FEED != "replay":
            self.stdout.write(f"FEED is {settings.FEED}, so there is no history to load.")
            return
        try:
            require_bcgame(settings)
        except FeedMisconfigured as error:
            raise CommandError(str(error)) from error
        if Game.objects.exists():
            self.stdout.write("The table already has games, so no history was loaded.")
            return
        self._load()

    def _load(self) -> None:
        started = time.monotonic()
        rounds = first_day(datetime.now(UTC))
        for start in range(0, len(rounds), BATCH_GAMES):
            record_games(rounds[start : start + BATCH_GAMES], source=SOURCE)
        first, last = rounds[0], rounds[-1]
        self.stdout.write(
            f"Loaded {len(rounds):,} games, {first.game_id} to {last.game_id}, "
            f"{first.end_time:%Y-%m-%d %H:%M} to {last.end_time:%Y-%m-%d %H:%M} UTC (synthetic times), "
            f"in {time.monotonic() - started:.1f} s."
        )
