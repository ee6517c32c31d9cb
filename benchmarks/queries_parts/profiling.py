"""Where an answer's time goes: the functions with most time of their own, and the calls below them."""

import cProfile
import pstats
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from benchmarks.queries_parts.asking import Origin, answer_of
from benchmarks.queries_parts.questions import Question

CALLS = 50
SECONDS = 5.0
SHOWN = 8


def profile(question: Question, origin: Origin) -> None:
    """Print a line a function. The profiler slows Python, and not C: shares say more than times."""
    call = answer_of(question)
    call()
    plain, cpu = _plain(call)
    profiler, deadline, calls = cProfile.Profile(), time.monotonic() + SECONDS, 0
    while calls < CALLS and time.monotonic() < deadline:
        profiler.runcall(call)
        calls += 1
    stats = pstats.Stats(profiler)
    total = stats.total_tt  # type: ignore[attr-defined]
    print(
        f"\n{question.name}, {origin}: {plain:.2f} ms an answer, {cpu:.2f} ms of them this process's own work; "
        f"under the profiler {1000 * total / calls:.2f} ms, {calls} calls"
    )
    rows = stats.stats.items()  # type: ignore[attr-defined]
    for function, (_, count, own, cumulated, _) in sorted(rows, key=lambda row: -row[1][2])[:SHOWN]:
        print(
            f"  {100 * own / total:5.1f} % own  {100 * cumulated / total:5.1f} % with calls  "
            f"{count / calls:8.1f} x  {_named(function)}"
        )


def _plain(call: Callable[[], object]) -> tuple[float, float]:
    """Median ms without the profiler: by the clock, and of the processor in this process."""
    taken: list[float] = []
    worked: list[float] = []
    deadline = time.monotonic() + SECONDS
    while len(taken) < CALLS and time.monotonic() < deadline:
        began, cpu = time.perf_counter(), time.process_time()
        call()
        taken.append(time.perf_counter() - began)
        worked.append(time.process_time() - cpu)
    return 1000 * median(taken), 1000 * median(worked)


def _named(function: tuple[str, int, str]) -> str:
    path, line, name = function
    return name if path == "~" else f"{'/'.join(Path(path).parts[-2:])}:{line} {name}"
