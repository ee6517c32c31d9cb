"""Rebuild the view from the table while a reader sends queries; measure time, memory and the reader's results.

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
from benchmarks import _games_table  # noqa: E402
from benchmarks._harness import Spread, table  # noqa: E402
from benchmarks.apply_parts.valkey_stats import memory_bytes  # noqa: E402
from cachecore.clock import now_ms  # noqa: E402
from cachecore.redis_client import connections  # noqa: E402

READER_TIMEOUT_SECONDS = 30.0  # for the reader to end
READ_ONLY_SECONDS = 1.0  # reads before and after the rebuild


@dataclass(frozen=True, slots=True)
class RebuildResult:
    """One rebuild with a reader.

    `times` are the ms of the reads that overlap the rebuild. Sources and wrong results also cover the reads before and
    after it.
    """

    seconds: float
    times: dict[str, list[float]]
    sources: dict[str, int]
    wrong: int


def main(rounds: int, sizes: list[int]) -> None:
    for games in sizes:
        _games_table.truncate()
        _games_table.copy_games(_games_table.generate_games(games, now_ms()))
        _games_table.vacuum()
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


def _with_readers() -> RebuildResult:
    pipe = subprocess.PIPE
    command = [sys.executable, "-m", "benchmarks.apply_parts.concurrent_reader"]
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as reader:
        try:
            assert reader.stdout is not None
            if not reader.stdout.readline():
                raise RuntimeError("the reader did not start")
            time.sleep(READ_ONLY_SECONDS)
            began, ended = _rebuild()
            time.sleep(READ_ONLY_SECONDS)
            output, _ = reader.communicate("\n", timeout=READER_TIMEOUT_SECONDS)
        finally:
            reader.kill()
    found = json.loads(output)
    times = {
        name: [1000 * (end - start) for start, end in reads if start <= ended and end >= began]
        for name, reads in found["reads"].items()
    }
    return RebuildResult(ended - began, times, found["sources"], found["wrong"])


def _report(games: int, memory: int, alone: float, runs: list[RebuildResult]) -> None:
    print(f"\nRebuild of the view from {games:,} games, {len(view_settings.conditions())} conditions\n")
    seconds = Spread.of([run.seconds for run in runs])
    print(f"Without a reader: {alone:.1f} s. With a reader: {seconds:.1f} s (target <= 10 s).")
    print(
        f"Memory of the view: {memory / 1e6:.1f} MB, {memory / games:.1f} bytes per game "
        "(target: <= 40 MB at 1,000,000)."
    )
    print(
        f"Wrong results: {sum(run.wrong for run in runs)}. From the view: "
        f"{sum(run.sources.get('live', 0) for run in runs):,}, "
        f"from the database: {sum(run.sources.get('database', 0) for run in runs):,}.\n"
    )
    rows = []
    for name in runs[0].times:
        times = [ms for run in runs for ms in run.times[name]]
        rows.append([name, f"{len(times):,}", f"{median(times):.1f}", f"{max(times):.1f}"])
    print(table([["reads during the rebuild", "reads", "p50 ms", "slowest ms"], *rows]), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), [int(games) for games in sys.argv[2:]])
