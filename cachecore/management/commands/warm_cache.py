import sys
import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.progress import track

from cachecore.maintenance import warming


class Command(BaseCommand):
    help = "Compute the standard answers and what was asked most, through the views that serve them, and store them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "family", nargs="*", help="Families to warm; default all that have a warmer, and what was asked most."
        )
        parser.add_argument("--dry-run", action="store_true", help="List the URLs that would be asked.")

    def handle(self, *args: Any, **options: Any) -> None:
        self._refuse_strangers(options["family"])
        if (away := warming.redis_failure()) is not None:
            raise CommandError(str(away)) from away
        plan = warming.plan(options["family"] or None)
        by_use = sum(not one.standard for one in plan)
        if options["dry_run"]:
            for one in plan:
                self.stdout.write(str(one.canonical_url))
            told = f", {by_use} of them because they are asked most" if by_use else ""
            self.stdout.write(f"Would warm {len(plan)} answers{told}.")
            return
        started = time.monotonic()
        report = warming.Report()
        console = Console(stderr=True)
        for one in track(plan, "Warming", console=console, disable=not sys.stderr.isatty()):
            warming.warm(one, report)
        self._tell(report, by_use, time.monotonic() - started)

    def _refuse_strangers(self, families: list[str]) -> None:
        strangers = [name for name in families if name not in warming.warmers]
        if strangers:
            known = ", ".join(sorted(warming.warmers))
            raise CommandError(f"No warmer for {', '.join(strangers)}; there are: {known}.")

    def _tell(self, report: warming.Report, by_use: int, seconds: float) -> None:
        self.stdout.write(
            f"Warmed {len(report.warmed)} answers in {seconds:.1f} s, {len(report.already_warm)} were warm already, "
            f"{len(report.failed)} failed."
        )
        if by_use:
            self.stdout.write(f"{by_use} of them because they are asked most; {len(report.dropped)} dropped.")
        if report.redis_error is not None:
            raise CommandError(f"{report.remaining} answers are left: {report.redis_error}") from report.redis_error
        if report.failed:
            raise CommandError(f"Not warmed: {', '.join(report.failed[:5])}")
