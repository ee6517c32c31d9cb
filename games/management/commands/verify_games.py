import sys
import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db.models import Count
from rich.console import Console
from rich.progress import Progress

from games.audit import Checked, Checker, chunks
from games.management.ranges import add_range, natural, range_of
from games.models import Game


class Command(BaseCommand):
    help = (
        "Calculate every stored game again from its hash, store verdicts that changed, and fail if a recorded crash "
        "point is not the calculated one."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_range(parser)
        parser.add_argument(
            "--chain", action="store_true", help="Also check that each hash leads to that of the game before."
        )
        parser.add_argument("--limit", type=natural, default=10, help="List at most so many problems (default 10).")
        parser.add_argument("--no-progress", action="store_true", help="No progress bar on standard error.")

    def handle(self, *args: Any, **options: Any) -> None:
        first, last = range_of(options)
        started = time.monotonic()
        checker = Checker(chain=options["chain"], limit=options["limit"])
        hidden = options["no_progress"] or not sys.stderr.isatty()
        with Progress(console=Console(stderr=True), transient=True, disable=hidden) as progress:
            task = progress.add_task("Verifying", total=None if hidden else _count(first, last))
            for chunk in chunks(first, last):
                checker.check(chunk)
                progress.advance(task, len(chunk))
        self._tell(checker.checked, options["chain"], time.monotonic() - started)

    def _tell(self, checked: Checked, chain: bool, seconds: float) -> None:
        for problem in checked.problems:
            self.stdout.write(problem)
        links = (
            f" Chain: {checked.linked:,} links unbroken, {checked.broken:,} broken, {checked.not_checkable:,} not "
            "checkable (missing games or hashes, or no known chain)."
        )
        self.stdout.write(
            f"{checked.games:,} games: {checked.verified:,} verified, {checked.mismatched:,} mismatched, "
            f"{checked.unverifiable:,} unverifiable, {checked.changed:,} verdicts changed in {seconds:.1f} s."
            + (links if chain else "")
        )
        if checked.mismatched or checked.broken:
            raise CommandError(f"{checked.mismatched:,} mismatched, {checked.broken:,} chain breaks.")


def _count(first: int | None, last: int | None) -> int:
    bounds = {"game_id__gte": first, "game_id__lte": last}
    games = Game.objects.filter(**{name: bound for name, bound in bounds.items() if bound is not None})
    return int(games.aggregate(games=Count("game_id"))["games"])
