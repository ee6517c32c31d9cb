"""Fill table and view, and time every question. Run by benchmarks.queries, on its servers.

python -m benchmarks.queries_parts.timing GAMES CALLS SECONDS [--profile]
"""

import sys
import time
from itertools import product
from statistics import median, quantiles

import django

django.setup()

from analytics import services  # noqa: E402
from benchmarks import _table  # noqa: E402
from benchmarks._harness import table  # noqa: E402
from benchmarks.queries_parts.asking import Ask, Origin, answering, only, requesting  # noqa: E402
from benchmarks.queries_parts.profiling import profile  # noqa: E402
from benchmarks.queries_parts.questions import AIM_MS, QUESTIONS, Question  # noqa: E402
from cachecore.clock import now_ms  # noqa: E402

ROUNDS = 5
WARM_CALLS = 3
ORIGINS: tuple[Origin, ...] = ("live", "database")
WAYS = {"answer": answering, "request": requesting}
Cell = tuple[Question, Origin, str]


def main(games: int, calls: int, seconds: float, *, profiled: bool) -> None:
    fill(games)
    print(f"\n{games:,} games in the table and the view\n")
    if profiled:
        for question, origin in product(QUESTIONS, ORIGINS):
            with only(origin):
                profile(question, origin)
        return
    times = _times(calls, seconds)
    head = ["ms, p50 / p99", *(f"{origin}: {way}" for origin in ORIGINS for way in WAYS), "calls", "aim", "peer"]
    print(table([head, *(_row(question, times) for question in QUESTIONS)]), flush=True)


def fill(games: int) -> None:
    began = time.perf_counter()
    _table.empty()
    _table.copy(_table.generated(games, now_ms()))
    _table.settle()
    filled = time.perf_counter()
    services.rebuild_view()
    built = time.perf_counter()
    print(f"\nCopied {games:,} games in {filled - began:.1f} s, built the view in {built - filled:.1f} s.")


def _times(calls: int, seconds: float) -> dict[Cell, list[float]]:
    """All cells in every round, forwards and backwards in turn; none longer than its share of `seconds`."""
    cells = list(product(QUESTIONS, ORIGINS, WAYS))
    times: dict[Cell, list[float]] = {cell: [] for cell in cells}
    for number in range(ROUNDS):
        for cell in cells if number % 2 == 0 else reversed(cells):
            question, origin, way = cell
            with only(origin):
                times[cell] += _round(WAYS[way](question, origin), calls // ROUNDS, seconds / ROUNDS)
    return times


def _round(ask: Ask, calls: int, seconds: float) -> list[float]:
    """After calls that are not counted; at least one, whatever it takes."""
    deadline = time.monotonic() + seconds
    for _ in range(WARM_CALLS):
        if ask() > seconds * 1000:
            break
    times = [ask()]
    while len(times) < calls and time.monotonic() < deadline:
        times.append(ask())
    return times


def _row(question: Question, times: dict[Cell, list[float]]) -> list[str]:
    mine = [times[question, origin, way] for origin in ORIGINS for way in WAYS]
    fewest, most = min(map(len, mine)), max(map(len, mine))
    return [
        question.name,
        *(f"{median(one):.2f} / {quantiles(one, n=100, method='inclusive')[98]:.2f}" for one in mine),
        f"{most}" if fewest == most else f"{fewest}..{most}",
        f"{AIM_MS:.0f}" if question.aimed else "",
        question.peer,
    ]


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), profiled="--profile" in sys.argv)
