import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from analytics import services
from analytics.live.writer import Overtaken
from cachecore.connections import RoleUnavailable
from cachecore.locks import LockHeld


class Command(BaseCommand):
    help = "Build the live view anew from the table and swap it in; readers are served all along."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--wait", type=float, default=30.0, help="Seconds to wait for another writer, default 30.")

    def handle(self, *args: Any, **options: Any) -> None:
        started = time.monotonic()
        try:
            built = services.rebuild_view(wait_seconds=options["wait"])
        except LockHeld as error:
            raise CommandError(f"Another writer is at work; it did not end in {options['wait']:g} s.") from error
        except Overtaken as error:
            raise CommandError("A newer writer took over; the view was not swapped.") from error
        except RoleUnavailable as error:
            raise CommandError(str(error)) from error
        seconds = time.monotonic() - started
        self.stdout.write(f"Built the view from {built.games:,} games in {seconds:.1f} s, version {built.version}.")
