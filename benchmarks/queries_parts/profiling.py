"""Profile a computation: print the functions with the most time of their own."""

import cProfile
import pstats
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from benchmarks.queries_parts.calls import Source, computation_of
from benchmarks.queries_parts.cases import QueryCase

CALLS = 50
SECONDS = 5.0
SHOWN_FUNCTIONS = 8


def profile(case: QueryCase, source: Source) -> None:
    """Print a line per function. The profiler slows down Python but not C, so shares are more reliable than times."""
    call = computation_of(case)
    call()
    plain, cpu = _time_without_profiler(call)
    profiler, deadline, calls = cProfile.Profile(), time.monotonic() + SECONDS, 0
    while calls < CALLS and time.monotonic() < deadline:
        profiler.runcall(call)
        calls += 1
    stats = pstats.Stats(profiler)
    total = stats.total_tt  # type: ignore[attr-defined]
    print(
        f"\n{case.name}, {source}: {plain:.2f} ms per computation, of which {cpu:.2f} ms are this process's own; "
        f"under the profiler {1000 * total / calls:.2f} ms, {calls} calls"
    )
    rows = stats.stats.items()  # type: ignore[attr-defined]
    for function, (_, count, own, cumulated, _) in sorted(rows, key=lambda row: -row[1][2])[:SHOWN_FUNCTIONS]:
        print(
            f"  {100 * own / total:5.1f} % own  {100 * cumulated / total:5.1f} % with calls  "
            f"{count / calls:8.1f} x  {_function_name(function)}"
        )


def _time_without_profiler(call: Callable[[], object]) -> tuple[float, float]:
    """Return the median time in ms without the profiler: elapsed time, and processor time of this process."""
    taken: list[float] = []
    worked: list[float] = []
    deadline = time.monotonic() + SECONDS
    while len(taken) < CALLS and time.monotonic() < deadline:
        began, cpu = time.perf_counter(), time.process_time()
        call()
        taken.append(time.perf_counter() - began)
        worked.append(time.process_time() - cpu)
    return 1000 * median(taken), 1000 * median(worked)


def _function_name(function: tuple[str, int, str]) -> str:
    path, line, name = function
    return name if path == "~" else f"{'/'.join(Path(path).parts[-2:])}:{line} {name}"
