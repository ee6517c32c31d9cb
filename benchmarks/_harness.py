"""Measure targets in alternating windows of load, and summarise them: medians, spread, ratios within a round.

Targets alternate window by window, so that other activity on the machine affects all of them alike.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

import redis

from benchmarks import _load
from benchmarks._servers import Server


@dataclass(frozen=True, slots=True)
class Target:
    """Paths of a server, which are requested in turn."""

    name: str
    server: Server
    paths: Sequence[str]


@dataclass(frozen=True, slots=True)
class Window:
    """One window of one target.

    `cpu_us` is the server's processor time per request, which is meaningful even if the load generator is the limit.
    """

    requests_per_second: float
    cpu_us: float
    redis_commands: float


@dataclass(frozen=True, slots=True)
class Spread:
    """Median, minimum and maximum of the rounds."""

    median: float
    minimum: float
    maximum: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        return cls(median(values), min(values), max(values))

    def __format__(self, spec: str) -> str:
        return f"{self.median:{spec}} ({self.minimum:{spec}}..{self.maximum:{spec}})"


def alternate(targets: Sequence[Target], rounds: int, measure: Callable[[Target], Window]) -> dict[str, list[Window]]:
    """Measure every target once per round. A first round, which is not counted, warms all of them."""
    for target in targets:
        measure(target)
    windows: dict[str, list[Window]] = {target.name: [] for target in targets}
    for number in range(rounds):
        # The order alternates, so that a drift within a round favours no position.
        for target in targets if number % 2 == 0 else reversed(targets):
            windows[target.name].append(measure(target))
    return windows


def measure_window(target: Target, connections: int, seconds: int, client: redis.Redis) -> Window:
    """Measure one window of load. Raises RuntimeError if a response was not 200: quick errors are no throughput."""
    cpu, commands = target.server.cpu_seconds(), _commands(client)
    load = _load.run(target.server.url, target.paths, connections, seconds)
    cpu, commands = target.server.cpu_seconds() - cpu, _commands(client) - commands
    if load.failures or not load.requests:
        raise RuntimeError(f"{target.name}: {load.failures} failures in {load.requests} requests")
    return Window(load.requests / load.seconds, cpu * 1e6 / load.requests, commands / load.requests)


def ratios(ours: Sequence[Window], theirs: Sequence[Window]) -> Spread:
    """Return our requests per second divided by theirs, round by round."""
    pairs = zip(ours, theirs, strict=True)
    return Spread.of([one.requests_per_second / other.requests_per_second for one, other in pairs])


def cpu_ratios(ours: Sequence[Window], theirs: Sequence[Window]) -> Spread:
    """Return their server time per request divided by ours. Like `ratios`, it is above 1 if ours is better."""
    return Spread.of([other.cpu_us / one.cpu_us for one, other in zip(ours, theirs, strict=True)])


def table(rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table, aligned so that it can be read in a terminal too. The first row is the head."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "| " + " | ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]])


def _commands(client: redis.Redis) -> int:
    """Return the number of processed commands, including the version watchers' few per second and this INFO."""
    return int(client.info("stats")["total_commands_processed"])
