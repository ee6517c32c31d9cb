from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from games.gaps import find_gaps
from games.management.ranges import add_range, range_of


class Command(BaseCommand):
    help = "List the ids that are missing from the table, as ranges."

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_range(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        gaps = missing = 0
        for first, last in find_gaps(*range_of(options)):
            gaps += 1
            missing += last - first + 1
            self.stdout.write(f"{first}-{last}" if last > first else str(first))
        self.stdout.write(f"Missing games: {missing:,}, in gaps: {gaps:,}.")
