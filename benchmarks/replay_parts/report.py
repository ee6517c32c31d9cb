"""Report the windows of the log, mode by mode and compared with each other."""

import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from benchmarks._harness import Spread, table
from benchmarks._load import Load
from benchmarks.replay_parts.client import TimedResponse
from benchmarks.replay_parts.site import Window

AFTER_VERSION_SECONDS = 1.0
HIT = "HIT"


@dataclass(frozen=True, slots=True)
class Round:
    window: Window
    saturated: Load

    @property
    def after_versions(self) -> list[TimedResponse]:
        """The responses to requests within a second after a new version."""
        rises = self.window.rises
        return [
            one
            for one in self.window.responses
            if any(0 <= one.due_at - rise < AFTER_VERSION_SECONDS for rise in rises)
        ]

    @property
    def requests_per_second(self) -> float:
        return self.saturated.requests / self.saturated.seconds

    @property
    def transactions(self) -> float:
        """Database transactions per request."""
        return self.window.transactions / len(self.window.responses)

    @property
    def cpu_us(self) -> float:
        return self.window.cpu_seconds * 1e6 / len(self.window.responses)


Rounds = Sequence[Round]


def report(rounds: Mapping[str, Rounds]) -> str:
    return "\n\n".join(
        (_latencies(rounds), _after_versions(rounds), _processors(rounds), _costs(rounds), _failures(rounds))
    )


def _latencies(rounds: Mapping[str, Rounds]) -> str:
    head = ["the log", "hit rate %", "all p50 / p95 / p99 ms", "hits", "misses"]
    rows = []
    for mode, ours in rounds.items():
        responses = list(chain.from_iterable(one.window.responses for one in ours))
        hits = [one for one in responses if one.outcome == HIT]
        misses = [one for one in responses if one.outcome != HIT]
        rate = Spread.of([hit_rate(one.window.responses) for one in ours])
        rows.append([mode, f"{rate:.1f}", *map(_percentiles, (responses, hits, misses))])
    return table([head, *rows])


def _after_versions(rounds: Mapping[str, Rounds]) -> str:
    """Return figures for the second after a version, with ratios to the mode without warming, round by round."""
    head = ["the second after a version", "requests", "hit rate %", "p50 ms", "p99 ms", "p99 / cold", "misses / cold"]
    rows = []
    for mode, ours in rounds.items():
        cold = rounds.get("cold")
        cells = [
            f"{sum(len(one.after_versions) for one in ours):,}",
            f"{Spread.of([hit_rate(one.after_versions) for one in ours]):.1f}",
            f"{Spread.of([percentile(one.after_versions, 50) for one in ours]):.1f}",
            f"{Spread.of([_fresh_p99(one) for one in ours]):.1f}",
            _ratio(ours, cold, _fresh_p99),
            _ratio(ours, cold, lambda one: 100 - hit_rate(one.after_versions)),
        ]
        rows.append([mode, *cells])
    return table([head, *rows])


def _processors(rounds: Mapping[str, Rounds]) -> str:
    """Return who used the processors in that second: while all cores are busy, no response can be faster."""
    head = ["CPU seconds in that second", "web", "workers", f"all of {os.cpu_count()}", "run starts after ms", "runs"]
    rows = []
    for mode, ours in rounds.items():
        seconds = list(chain.from_iterable(one.window.processor_use for one in ours))
        run_starts = [one.run_after_ms for one in seconds if one.run_after_ms is not None]
        cells = [f"{Spread.of([getattr(one, who) for one in seconds]):.2f}" for who in ("web", "worker", "machine")]
        after = f"{Spread.of(run_starts):.0f}" if run_starts else ""
        rows.append([mode, *cells, after, f"{len(run_starts)} of {len(seconds)}"])
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
    parts = []
    for mode, ours in rounds.items():
        wrong = sum(response.status != 200 for one in ours for response in one.window.responses)
        loads = Spread.of([one.window.load_average for one in ours])
        parts.append(f"{mode}: {wrong + sum(one.saturated.failures for one in ours)} failures, load {loads:.1f}")
    return "; ".join(parts)


def hit_rate(responses: Sequence[TimedResponse]) -> float:
    """Return the hit rate in percent, or nan without responses."""
    return 100 * sum(one.outcome == HIT for one in responses) / len(responses) if responses else math.nan


def percentile(responses: Sequence[TimedResponse], percent: float) -> float:
    """Return a percentile in ms, or nan without responses."""
    return float(np.percentile([1000 * one.seconds for one in responses], percent)) if responses else math.nan


def _percentiles(responses: Sequence[TimedResponse]) -> str:
    return " / ".join(f"{percentile(responses, percent):.1f}" for percent in (50, 95, 99)) if responses else "none"


def _fresh_p99(one: Round) -> float:
    return percentile(one.after_versions, 99)


def _ratio(ours: Rounds, theirs: Rounds | None, figure: Callable[[Round], float]) -> str:
    if theirs is None:
        return ""
    return f"{Spread.of([figure(one) / figure(other) for one, other in zip(ours, theirs, strict=True)]):.2f}"
