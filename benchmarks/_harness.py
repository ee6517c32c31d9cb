"""Windows of load over targets in turn, and what they say: medians, spread, ratios within the same round.

Targets alternate window by window, so that what else the machine does falls on all of them alike.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

import redis

from benchmarks import _load
from benchmarks._servers import Server


@dataclass(frozen=True, slots=True)
class Target:
    """Something that answers: paths of a server, asked in turn."""

    name: str
    server: Server
    paths: Sequence[str]


@dataclass(frozen=True, slots=True)
class Window:
    """One window of one target. `cpu_us`: server microseconds a request, which holds where the load is the limit."""

    requests_per_second: float
    cpu_us: float
    redis_commands: float


@dataclass(frozen=True, slots=True)
class Spread:
    """Median, least and greatest of the rounds."""

    middle: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        return cls(median(values), min(values), max(values))

    def __format__(self, spec: str) -> str:
        return f"{self.middle:{spec}} ({self.least:{spec}}..{self.most:{spec}})"


def alternate(targets: Sequence[Target], rounds: int, measure: Callable[[Target], Window]) -> dict[str, list[Window]]:
    """Every target once a round; a first round, not counted, warms all of them."""
    for target in targets:
        measure(target)
    windows: dict[str, list[Window]] = {target.name: [] for target in targets}
    for number in range(rounds):
        # Forwards and backwards in turn: a drift within a round does not favour one place in it.
        for target in targets if number % 2 == 0 else reversed(targets):
            windows[target.name].append(measure(target))
    return windows


def window(target: Target, connections: int, seconds: int, client: redis.Redis) -> Window:
    """Raises RuntimeError where an answer was not 200: a server that refuses quickly is not a fast one."""
    cpu, commands = target.server.cpu_seconds(), _commands(client)
    load = _load.run(target.server.url, target.paths, connections, seconds)
    cpu, commands = target.server.cpu_seconds() - cpu, _commands(client) - commands
    if load.failures or not load.requests:
        raise RuntimeError(f"{target.name}: {load.failures} failures in {load.requests} requests")
    return Window(load.requests / load.seconds, cpu * 1e6 / load.requests, commands / load.requests)


def ratios(ours: Sequence[Window], theirs: Sequence[Window]) -> Spread:
    """Requests a second, ours by theirs, round by round."""
    pairs = zip(ours, theirs, strict=True)
    return Spread.of([one.requests_per_second / other.requests_per_second for one, other in pairs])


def cpu_ratios(ours: Sequence[Window], theirs: Sequence[Window]) -> Spread:
    """Server time a request, theirs by ours: above 1 where ours is cheaper, like `ratios`."""
    return Spread.of([other.cpu_us / one.cpu_us for one, other in zip(ours, theirs, strict=True)])


def table(rows: Sequence[Sequence[str]]) -> str:
    """Markdown, aligned to be read in a terminal as well. The first row is the head."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "| " + " | ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]])


def _commands(client: redis.Redis) -> int:
    """Commands the server has processed, including the watchers' few a second and this INFO itself."""
    return int(client.info("stats")["total_commands_processed"])
