"""Fill table and view, and time every query. Run by benchmarks.queries, on its servers.

python -m benchmarks.queries_parts.timing GAMES CALLS SECONDS [--profile]
"""

import sys
import time
from itertools import product
from statistics import median, quantiles

import django

django.setup()

from analytics import services  # noqa: E402
from benchmarks import _games_table  # noqa: E402
from benchmarks._harness import table  # noqa: E402
from benchmarks.queries_parts.calls import Source, TimedCall, forced_source, timed_computation, timed_request  # noqa: E402
from benchmarks.queries_parts.cases import CASES, TARGET_MS, QueryCase  # noqa: E402
from benchmarks.queries_parts.profiling import profile  # noqa: E402
from cachecore.clock import now_ms  # noqa: E402

ROUNDS = 5
WARM_CALLS = 3
SOURCES: tuple[Source, ...] = ("live", "database")
METHODS = {"computation": timed_computation, "request": timed_request}
Cell = tuple[QueryCase, Source, str]


def main(games: int, calls: int, seconds: float, *, profiled: bool) -> None:
    fill(games)
    print(f"\n{games:,} games in the table and the view\n")
    if profiled:
        for case, source in product(CASES, SOURCES):
            with forced_source(source):
                profile(case, source)
        return
    times = _times(calls, seconds)
    head = [
        "ms, p50 / p99",
        *(f"{source}: {method}" for source in SOURCES for method in METHODS),
        "calls",
        "target",
        "peer",
    ]
    print(table([head, *(_row(case, times) for case in CASES)]), flush=True)


def fill(games: int) -> None:
    began = time.perf_counter()
    _games_table.truncate()
    _games_table.copy_games(_games_table.generate_games(games, now_ms()))
    _games_table.vacuum()
    filled = time.perf_counter()
    services.rebuild_view()
    built = time.perf_counter()
    print(f"\nCopied {games:,} games in {filled - began:.1f} s, built the view in {built - filled:.1f} s.")


def _times(calls: int, seconds: float) -> dict[Cell, list[float]]:
    """Measure all cells in every round, in alternating order, each no longer than its share of `seconds`."""
    cells = list(product(CASES, SOURCES, METHODS))
    times: dict[Cell, list[float]] = {cell: [] for cell in cells}
    for number in range(ROUNDS):
        for cell in cells if number % 2 == 0 else reversed(cells):
            case, source, method = cell
            with forced_source(source):
                times[cell] += _round(METHODS[method](case, source), calls // ROUNDS, seconds / ROUNDS)
    return times


def _round(call: TimedCall, calls: int, seconds: float) -> list[float]:
    """Return the times of the calls after a few uncounted ones, at least one."""
    deadline = time.monotonic() + seconds
    for _ in range(WARM_CALLS):
        if call() > seconds * 1000:
            break
    times = [call()]
    while len(times) < calls and time.monotonic() < deadline:
        times.append(call())
    return times


def _row(case: QueryCase, times: dict[Cell, list[float]]) -> list[str]:
    mine = [times[case, source, method] for source in SOURCES for method in METHODS]
    fewest, most = min(map(len, mine)), max(map(len, mine))
    return [
        case.name,
        *(f"{median(one):.2f} / {quantiles(one, n=100, method='inclusive')[98]:.2f}" for one in mine),
        f"{most}" if fewest == most else f"{fewest}..{most}",
        f"{TARGET_MS:.0f}" if case.has_target else "",
        case.peer,
    ]


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), profiled="--profile" in sys.argv)
