import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from games.play.models import Account, Bet, Transfer
from games.play.selectors.books import differences

SHOWN = 50


class Command(BaseCommand):
    help = (
        "Recompute every balance of the step game from transfers, every bet's money from its state, and every day from "
        "the bets. Exit 1 and name the rows that differ."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--limit", type=int, default=SHOWN, help=f"The most rows to name (default {SHOWN}).")

    def handle(self, *args: Any, **options: Any) -> None:
        started, number = time.monotonic(), 0
        for number, difference in enumerate(differences(), start=1):
            if number <= options["limit"]:
                self.stdout.write(str(difference))
        if number:
            raise CommandError(f"Rows that differ: {number}.")
        accounts, bets, transfers = (table.objects.count() for table in (Account, Bet, Transfer))
        seconds = time.monotonic() - started
        self.stdout.write(
            f"The books agree: {accounts:,} accounts, {bets:,} bets, {transfers:,} transfers in {seconds:.1f} s."
        )
