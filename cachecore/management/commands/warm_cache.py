import sys
import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.progress import track

from cachecore import warming


class Command(BaseCommand):
    help = "Compute the standard answers and store them, through the views that serve them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("family", nargs="*", help="Families to warm; default all that have a warmer.")
        parser.add_argument("--dry-run", action="store_true", help="List the URLs that would be asked.")

    def handle(self, *args: Any, **options: Any) -> None:
        urls = self._urls(options["family"])
        if options["dry_run"]:
            self.stdout.write("\n".join(urls))
            self.stdout.write(f"Would warm {len(urls)} answers.")
            return
        started = time.monotonic()
        report = warming.Report()
        console = Console(stderr=True)
        for url in track(urls, "Warming", console=console, disable=not sys.stderr.isatty()):
            warming.warm_url(url, report)
        self._tell(report, time.monotonic() - started)

    def _urls(self, families: list[str]) -> list[str]:
        strangers = [name for name in families if name not in warming.warmers]
        if strangers:
            known = ", ".join(sorted(warming.warmers))
            raise CommandError(f"No warmer for {', '.join(strangers)}; there are: {known}.")
        return list(warming.urls(families or None))

    def _tell(self, report: warming.Report, seconds: float) -> None:
        self.stdout.write(
            f"Warmed {len(report.warmed)} answers in {seconds:.1f} s, {len(report.already_warm)} were warm already, "
            f"{len(report.failed)} failed."
        )
        if report.failed:
            raise CommandError(f"Not warmed: {', '.join(report.failed[:5])}")
