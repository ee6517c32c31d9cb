"""The view built anew from the table, with readers all along; and what it takes in memory.

python -m benchmarks.apply_parts.rebuild ROUNDS GAMES...     run by benchmarks.apply, on its servers
"""

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from statistics import median

import django

django.setup()

from analytics import services, view_settings  # noqa: E402
from benchmarks import _table  # noqa: E402
from benchmarks._harness import Spread, table  # noqa: E402
from benchmarks.apply_parts.commands import memory_bytes  # noqa: E402
from cachecore.clock import now_ms  # noqa: E402
from cachecore.redis_client import connections  # noqa: E402

READER_SECONDS = 30.0  # to end
QUIET_SECONDS = 1.0  # of reading alone, before and after


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """`times`: ms of the reads that fell into it, at least in part; wrong answers count from before to after."""

    seconds: float
    times: dict[str, list[float]]
    sources: dict[str, int]
    wrong: int


def main(rounds: int, sizes: list[int]) -> None:
    for games in sizes:
        _table.empty()
        _table.copy(_table.generated(games, now_ms()))
        _table.settle()
        with connections.guarded_client("state") as client:
            client.flushall()
        before = memory_bytes()
        services.rebuild_view()
        taken = memory_bytes() - before
        began, ended = _rebuild()
        alone = ended - began
        runs = [_with_readers() for _ in range(rounds)]
        _report(games, taken, alone, runs)


def _rebuild() -> tuple[float, float]:
    began = time.monotonic()
    services.rebuild_view()
    return began, time.monotonic()


def _with_readers() -> Rebuilt:
    pipe = subprocess.PIPE
    command = [sys.executable, "-m", "benchmarks.apply_parts.reading"]
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as reader:
        try:
            assert reader.stdout is not None
            if not reader.stdout.readline():
                raise RuntimeError("the reader did not begin")
            time.sleep(QUIET_SECONDS)
            began, ended = _rebuild()
            time.sleep(QUIET_SECONDS)
            output, _ = reader.communicate("\n", timeout=READER_SECONDS)
        finally:
            reader.kill()
    found = json.loads(output)
    times = {
        name: [1000 * (end - start) for start, end in reads if start <= ended and end >= began]
        for name, reads in found["reads"].items()
    }
    return Rebuilt(ended - began, times, found["sources"], found["wrong"])


def _report(games: int, memory: int, alone: float, runs: list[Rebuilt]) -> None:
    print(f"\nThe view built anew from {games:,} games, {len(view_settings.conditions())} conditions\n")
    print(
        f"Nobody reads: {alone:.1f} s. With a reader: {Spread.of([run.seconds for run in runs]):.1f} s (aim <= 10 s)."
    )
    print(f"Memory of the view: {memory / 1e6:.1f} MB, {memory / games:.1f} bytes a game (aim: <= 40 MB at 1,000,000).")
    print(
        f"Wrong answers: {sum(run.wrong for run in runs)}. From the view: "
        f"{sum(run.sources.get('live', 0) for run in runs):,}, "
        f"from the table: {sum(run.sources.get('database', 0) for run in runs):,}.\n"
    )
    rows = []
    for name in runs[0].times:
        times = [ms for run in runs for ms in run.times[name]]
        rows.append([name, f"{len(times):,}", f"{median(times):.1f}", f"{max(times):.1f}"])
    print(table([["read meanwhile", "reads", "p50 ms", "slowest ms"], *rows]), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), [int(games) for games in sys.argv[2:]])
