from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from games.gaps import find_gaps


class Command(BaseCommand):
    help = "List the ids missing from the table, as ranges."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--from", dest="first", type=int, metavar="ID", help="Default: the oldest game.")
        parser.add_argument("--to", dest="last", type=int, metavar="ID", help="Default: the newest game.")

    def handle(self, *args: Any, **options: Any) -> None:
        gaps = missing = 0
        for first, last in find_gaps(options["first"], options["last"]):
            gaps += 1
            missing += last - first + 1
            self.stdout.write(f"{first}-{last}" if last > first else str(first))
        self.stdout.write(f"{missing:,} games are missing in {gaps:,} gaps.")
