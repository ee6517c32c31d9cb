import sys
import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.progress import track

from cachecore.maintenance import warming


class Command(BaseCommand):
    help = "Compute and store the standard and the most requested responses, through the views that serve them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "family",
            nargs="*",
            help="Families to warm; by default all that have a warmer, and the most requested URLs.",
        )
        parser.add_argument("--dry-run", action="store_true", help="Only list the URLs that would be requested.")

    def handle(self, *args: Any, **options: Any) -> None:
        self._reject_unknown(options["family"])
        if (error := warming.redis_failure()) is not None:
            raise CommandError(str(error)) from error
        plan = warming.plan(options["family"] or None)
        requested = sum(not planned.standard for planned in plan)
        if options["dry_run"]:
            for planned in plan:
                self.stdout.write(str(planned.canonical_url))
            most_requested = f", {requested} of them because they are requested most" if requested else ""
            self.stdout.write(f"Would warm {len(plan)} answers{most_requested}.")
            return
        started = time.monotonic()
        report = warming.Report()
        console = Console(stderr=True)
        for planned in track(plan, "Warming", console=console, disable=not sys.stderr.isatty()):
            warming.warm(planned, report)
        self._print(report, requested, time.monotonic() - started)

    def _reject_unknown(self, families: list[str]) -> None:
        unknown = [name for name in families if name not in warming.warmers]
        if unknown:
            available = ", ".join(sorted(warming.warmers))
            raise CommandError(f"No warmer for {', '.join(unknown)}; choose from: {available}.")

    def _print(self, report: warming.Report, requested: int, seconds: float) -> None:
        self.stdout.write(
            f"Warmed {len(report.warmed)} answers in {seconds:.1f} s, {len(report.already_warm)} were warm already, "
            f"{len(report.failed)} failed."
        )
        if requested:
            self.stdout.write(f"{requested} of them because they are requested most; {len(report.dropped)} dropped.")
        if report.redis_error is not None:
            raise CommandError(f"{report.remaining} answers are left: {report.redis_error}") from report.redis_error
        if report.failed:
            raise CommandError(f"Not warmed: {', '.join(report.failed[:5])}")
