from argparse import ArgumentParser
from contextlib import closing, suppress
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from games.feeds.base import FeedMisconfigured
from games.feeds.bcgame.feed import Options
from games.feeds.monitor import Monitor
from games.feeds.selection import create_feed
from games.feeds.shutdown import Interrupted, StopFlag, stop_on_signals


class Command(BaseCommand):
    help = "Record games from the feed (FEED, SITE) until SIGTERM or Ctrl-C."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--once", action="store_true", help="Poll once. Exit with 1 if the source has a problem.")
        parser.add_argument(
            "--max-pages",
            type=int,
            default=Options.max_pages,
            metavar="N",
            help="FEED=bcgame: the most pages of history that a poll reads (default: %(default)s).",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["max_pages"] < 1:
            raise CommandError("--max-pages must be at least 1.")
        stop = StopFlag()
        with stop_on_signals(stop):
            try:
                feed = create_feed(settings, stop, Options(max_pages=options["max_pages"]))
            except FeedMisconfigured as error:
                raise CommandError(str(error)) from error
            with closing(feed):
                self._run(Monitor(feed, stop), once=options["once"])

    def _run(self, monitor: Monitor, *, once: bool) -> None:
        if once:
            with suppress(Interrupted):
                monitor.step()
        else:
            self.stdout.write(f"Watching {settings.SITE} by FEED={settings.FEED}.")
            self.stdout.flush()
            monitor.run()
        self.stdout.write(f"{monitor.totals}.")
        if once and monitor.problem:
            raise CommandError(monitor.problem)
