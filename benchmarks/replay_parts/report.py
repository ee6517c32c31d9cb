"""What the windows say, mode by mode and beside each other."""

import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from benchmarks._harness import Spread, table
from benchmarks._load import Load
from benchmarks.replay_parts.client import Answer
from benchmarks.replay_parts.site import Window

FRESH_SECONDS = 1.0
HIT = "HIT"


@dataclass(frozen=True, slots=True)
class Round:
    window: Window
    saturated: Load

    @property
    def fresh(self) -> list[Answer]:
        """Asked within a second after a new version."""
        rises = self.window.rises
        return [one for one in self.window.answers if any(0 <= one.asked - rise < FRESH_SECONDS for rise in rises)]

    @property
    def requests_per_second(self) -> float:
        return self.saturated.requests / self.saturated.seconds

    @property
    def transactions(self) -> float:
        """A request's share of the database's."""
        return self.window.transactions / len(self.window.answers)

    @property
    def cpu_us(self) -> float:
        return self.window.cpu_seconds * 1e6 / len(self.window.answers)


Rounds = Sequence[Round]


def report(rounds: Mapping[str, Rounds]) -> str:
    return "\n\n".join(
        (_latencies(rounds), _after_versions(rounds), _processors(rounds), _costs(rounds), _failures(rounds))
    )


def _latencies(rounds: Mapping[str, Rounds]) -> str:
    head = ["the log", "hit rate %", "all p50 / p95 / p99 ms", "hits", "misses"]
    rows = []
    for mode, ours in rounds.items():
        answers = list(chain.from_iterable(one.window.answers for one in ours))
        hits = [one for one in answers if one.outcome == HIT]
        misses = [one for one in answers if one.outcome != HIT]
        rate = Spread.of([hit_rate(one.window.answers) for one in ours])
        rows.append([mode, f"{rate:.1f}", *map(_percentiles, (answers, hits, misses))])
    return table([head, *rows])


def _after_versions(rounds: Mapping[str, Rounds]) -> str:
    """Ratios of p99 and of misses are round by round, to the mode that warms nothing."""
    head = ["the second after a version", "requests", "hit rate %", "p50 ms", "p99 ms", "p99 / cold", "misses / cold"]
    rows = []
    for mode, ours in rounds.items():
        cold = rounds.get("cold")
        cells = [
            f"{sum(len(one.fresh) for one in ours):,}",
            f"{Spread.of([hit_rate(one.fresh) for one in ours]):.1f}",
            f"{Spread.of([percentile(one.fresh, 50) for one in ours]):.1f}",
            f"{Spread.of([_fresh_p99(one) for one in ours]):.1f}",
            _ratio(ours, cold, _fresh_p99),
            _ratio(ours, cold, lambda one: 100 - hit_rate(one.fresh)),
        ]
        rows.append([mode, *cells])
    return table([head, *rows])


def _processors(rounds: Mapping[str, Rounds]) -> str:
    """Who had them in that second, and when the run came: what both cores are taken for, nobody answers faster."""
    head = ["CPU seconds in that second", "web", "workers", f"all of {os.cpu_count()}", "run begins after ms", "runs"]
    rows = []
    for mode, ours in rounds.items():
        seconds = list(chain.from_iterable(one.window.seconds for one in ours))
        begun = [one.run_after_ms for one in seconds if one.run_after_ms is not None]
        cells = [f"{Spread.of([getattr(one, who) for one in seconds]):.2f}" for who in ("web", "worker", "machine")]
        after = f"{Spread.of(begun):.0f}" if begun else ""
        rows.append([mode, *cells, after, f"{len(begun)} of {len(seconds)}"])
    return table([head, *rows])


def _costs(rounds: Mapping[str, Rounds]) -> str:
    head = ["costs", "transactions / request", "saved %", "web CPU us / request", "saturated req/s", "/ no cache"]
    rows = []
    for mode, ours in rounds.items():
        none = rounds.get("no cache")
        saved = [
            100 * (1 - one.transactions / other.transactions) for one, other in zip(ours, none or (), strict=False)
        ]
        cells = [
            f"{Spread.of([one.transactions for one in ours]):.2f}",
            f"{Spread.of(saved):.0f}" if saved else "",
            f"{Spread.of([one.cpu_us for one in ours]):,.0f}",
            f"{Spread.of([one.requests_per_second for one in ours]):,.0f}",
            _ratio(ours, none, lambda one: one.requests_per_second),
        ]
        rows.append([mode, *cells])
    return table([head, *rows])


def _failures(rounds: Mapping[str, Rounds]) -> str:
    told = []
    for mode, ours in rounds.items():
        wrong = sum(answer.status != 200 for one in ours for answer in one.window.answers)
        loads = Spread.of([one.window.load_average for one in ours])
        told.append(f"{mode}: {wrong + sum(one.saturated.failures for one in ours)} failures, load {loads:.1f}")
    return "; ".join(told)


def hit_rate(answers: Sequence[Answer]) -> float:
    """In percent; nan of nothing."""
    return 100 * sum(one.outcome == HIT for one in answers) / len(answers) if answers else math.nan


def percentile(answers: Sequence[Answer], percent: float) -> float:
    """Milliseconds; nan of nothing."""
    return float(np.percentile([1000 * one.seconds for one in answers], percent)) if answers else math.nan


def _percentiles(answers: Sequence[Answer]) -> str:
    return " / ".join(f"{percentile(answers, percent):.1f}" for percent in (50, 95, 99)) if answers else "none"


def _fresh_p99(one: Round) -> float:
    return percentile(one.fresh, 99)


def _ratio(ours: Rounds, theirs: Rounds | None, figure: Callable[[Round], float]) -> str:
    if theirs is None:
        return ""
    return f"{Spread.of([figure(one) / figure(other) for one, other in zip(ours, theirs, strict=True)]):.2f}"
