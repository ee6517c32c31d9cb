import sys
import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db.models import Count
from rich.console import Console
from rich.progress import Progress

from games.audit import Auditor, AuditResult, chunks
from games.management.ranges import add_range, natural, range_of
from games.models import Game


class Command(BaseCommand):
    help = (
        "Recalculate every stored game from its hash and store the results that changed. Fail if a recorded crash "
        "point differs from the calculated one."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_range(parser)
        parser.add_argument(
            "--chain", action="store_true", help="Also check that each hash leads to the hash of the previous game."
        )
        parser.add_argument("--limit", type=natural, default=10, help="The most problems to list (default 10).")
        parser.add_argument("--no-progress", action="store_true", help="Do not show a progress bar on standard error.")

    def handle(self, *args: Any, **options: Any) -> None:
        first, last = range_of(options)
        started = time.monotonic()
        auditor = Auditor(chain=options["chain"], limit=options["limit"])
        hidden = options["no_progress"] or not sys.stderr.isatty()
        with Progress(console=Console(stderr=True), transient=True, disable=hidden) as progress:
            task = progress.add_task("Verifying", total=None if hidden else _count(first, last))
            for chunk in chunks(first, last):
                auditor.check(chunk)
                progress.advance(task, len(chunk))
        self._write_summary(auditor.result, options["chain"], time.monotonic() - started)

    def _write_summary(self, result: AuditResult, chain: bool, seconds: float) -> None:
        for problem in result.problems:
            self.stdout.write(problem)
        links = (
            f" Chain: {result.linked:,} links unbroken, {result.broken:,} broken, {result.not_checkable:,} not "
            "checkable (missing games or hashes, or no known chain)."
        )
        self.stdout.write(
            f"{result.games:,} games: {result.verified:,} verified, {result.mismatched:,} mismatched, "
            f"{result.unverifiable:,} unverifiable, {result.changed:,} results changed in {seconds:.1f} s."
            + (links if chain else "")
        )
        if result.mismatched or result.broken:
            raise CommandError(f"{result.mismatched:,} mismatched, {result.broken:,} chain breaks.")


def _count(first: int | None, last: int | None) -> int:
    bounds = {"game_id__gte": first, "game_id__lte": last}
    games = Game.objects.filter(**{name: bound for name, bound in bounds.items() if bound is not None})
    return int(games.aggregate(games=Count("game_id"))["games"])
