import sys
import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.progress import Progress

from analytics import services
from analytics.live.writer_lock import WriterFenced
from cachecore.locks import LockHeld
from cachecore.redis_client.connections import RedisUnavailable
from games.models import Game


class Command(BaseCommand):
    help = "Rebuild the live view from the games table and swap it in. Readers use the old view until then."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--wait", type=float, default=30.0, help="Seconds to wait for another writer, default 30.")
        parser.add_argument("--no-progress", action="store_true", help="No progress bar on standard error.")

    def handle(self, *args: Any, **options: Any) -> None:
        started = time.monotonic()
        hidden = options["no_progress"] or not sys.stderr.isatty()
        try:
            with Progress(console=Console(stderr=True), transient=True, disable=hidden) as progress:
                task = progress.add_task("Reading games", total=None if hidden else Game.objects.count())
                built = services.rebuild_view(
                    wait_seconds=options["wait"], on_progress=lambda games: progress.advance(task, games)
                )
        except LockHeld as error:
            raise CommandError(f"Another writer is at work and did not end within {options['wait']:g} s.") from error
        except WriterFenced as error:
            raise CommandError("A newer writer took over; the view was not swapped.") from error
        except RedisUnavailable as error:
            raise CommandError(str(error)) from error
        seconds = time.monotonic() - started
        self.stdout.write(f"Built the view from {built.games:,} games in {seconds:.1f} s, version {built.version}.")
