import secrets
import sys
import time
from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.progress import Progress

from games.play.difficulties import LANES
from games.play.errors import InvalidStoredConfiguration
from games.play.ladder import format_coefficient
from games.play.selectors.configuration import current_configuration
from games.play.simulation import EVERY_STEP, LEVEL, RANDOM, Simulation, StepResult, deviating

EVERY = 1_000  # bets between two steps of the progress bar


def natural(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not int(text):
        raise ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def strategy(text: str) -> str:
    return text if text in (EVERY_STEP, RANDOM) else str(natural(text))


class Command(BaseCommand):
    help = (
        "Simulate bets of the step game with the configuration in force, and compare each step's return with the "
        "expected one. Exit 1 if a step deviates."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--bets", type=natural, default=100_000, help="Bets per difficulty (default 100000).")
        parser.add_argument("--difficulty", choices=list(LANES), action="append", help="Repeatable; default all.")
        parser.add_argument(
            "--strategy",
            type=strategy,
            default=EVERY_STEP,
            help=f"Where a bet is cashed out: {EVERY_STEP} (default), {RANDOM}, or the number of a step.",
        )
        parser.add_argument("--seed", help="The same seed gives the same bets (default: a new one, which is printed).")
        parser.add_argument("--no-progress", action="store_true", help="Do not show a progress bar on standard error.")

    def handle(self, *args: Any, **options: Any) -> None:
        started, seed = time.monotonic(), options["seed"] or secrets.token_hex(8)
        try:
            configuration = current_configuration()
        except InvalidStoredConfiguration as error:
            raise CommandError(error.detail) from error
        found: list[StepResult] = []
        for name in options["difficulty"] or LANES:
            simulation = Simulation(
                name, configuration.lanes[name], configuration.tables[name], options["strategy"], seed
            )
            self._play(simulation, name, options)
            self._write(name, simulation.results)
            found += simulation.results
        self._conclude(
            found, f"seed {seed}, {options['bets']:,} bets per difficulty, {time.monotonic() - started:.1f} s"
        )

    def _play(self, simulation: Simulation, name: str, options: dict[str, Any]) -> None:
        hidden = options["no_progress"] or not sys.stderr.isatty()
        with Progress(console=Console(stderr=True), transient=True, disable=hidden) as progress:
            task = progress.add_task(name, total=options["bets"])
            for number in range(options["bets"]):
                simulation.play(number)
                if number % EVERY == EVERY - 1:
                    progress.advance(task, EVERY)

    def _write(self, name: str, results: list[StepResult]) -> None:
        if not results:
            self.stdout.write(f"{name}: the ladder has no such step.")
            return
        self.stdout.write(f"{name:<10} {'coefficient':>11} {'bets':>10} {'won':>10} {'return':>8} {'expected':>8}")
        for result in results:
            self.stdout.write(
                f"  step {result.step:<3} {format_coefficient(result.coefficient):>11} {result.bets:>10,} "
                f"{result.won:>10,} {result.returned:>8.4f} {float(result.expected):>8.4f}"
            )

    def _conclude(self, results: list[StepResult], summary: str) -> None:
        if wrong := deviating(results):
            steps = ", ".join(f"step {result.step} of {result.lane.columns} columns" for result in wrong)
            raise CommandError(f"Deviating at {LEVEL} / {len(results)}: {steps} ({summary}).")
        self.stdout.write(f"All {len(results)} steps agree with the law ({summary}).")
