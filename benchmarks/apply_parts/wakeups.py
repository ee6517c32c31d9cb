"""Count how many runs of the writer's task a number of saves causes, with a real worker.

python -m benchmarks.apply_parts.wakeups SAVES PROCESSES     run by benchmarks.apply, on its servers
"""

import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import django

django.setup()

from celery import current_app  # noqa: E402

from analytics.live import pending, reader  # noqa: E402
from analytics.live.keys import EVENTS  # noqa: E402
from analytics.wakeup import WRITER_TASK  # noqa: E402
from benchmarks import _games_table  # noqa: E402
from benchmarks._harness import table  # noqa: E402
from benchmarks._private_project import celery_worker  # noqa: E402
from cachecore.clock import now_ms  # noqa: E402
from cachecore.redis_client import connections  # noqa: E402
from games.rounds import Round  # noqa: E402
from games.services import record_games  # noqa: E402
from games.times import from_unix_ms  # noqa: E402

BULK_GAMES = 1_000  # what one POST may hold
WAIT_SECONDS = 120.0
POLL_SECONDS = 0.5  # longer than a message can be in transit while no task runs
Row = list[str]


def main(saves: int, processes: int) -> None:
    rounds = _rounds(1 + 2 * saves)
    with celery_worker(os.environ, Path(os.environ["DATA_DIR"]) / "worker.log", processes=processes):
        record_games(rounds[:1], source="benchmark")
        _wait_until(lambda: _applied() == 1)
        one_by_one, bulk = rounds[1 : 1 + saves], rounds[1 + saves :]
        batches = [bulk[at : at + BULK_GAMES] for at in range(0, saves, BULK_GAMES)]
        rows = [
            _row("one by one", [[round_] for round_ in one_by_one]),
            _row(f"in bulk, {BULK_GAMES:,} per call", batches),
        ]
    print(f"\nSaves and the runs of {WRITER_TASK} that they cause: {processes} worker processes, no beat\n")
    print(table([["saves", "games", "s", "games/s", "task runs", "games/run", "versions"], *rows]), flush=True)


def _rounds(count: int) -> list[Round]:
    games = _games_table.generate_games(count, now_ms())
    columns = (games.ids.tolist(), games.crash.tolist(), games.end_ms.tolist())
    return [
        Round(game_id=game_id, crash_hundredths=crash, end_time=from_unix_ms(end_ms))
        for game_id, crash, end_ms in zip(*columns, strict=True)
    ]


def _row(name: str, calls: Sequence[Sequence[Round]]) -> Row:
    _wait_until(_idle)
    games, runs, versions, before = sum(map(len, calls)), _runs(), _versions(), _applied()
    began = time.perf_counter()
    for rounds in calls:
        record_games(rounds, source="benchmark")
    seconds = time.perf_counter() - began
    _wait_until(lambda: _applied() == before + games and pending.size() == 0)
    _wait_until(_idle)
    runs, versions = _runs() - runs, _versions() - versions
    return [
        name,
        *(f"{games:,}", f"{seconds:.1f}", f"{games / seconds:,.0f}"),
        *(f"{runs:,}", f"{games / max(1, runs):.1f}", f"{versions:,}"),
    ]


def _runs() -> int:
    """Return the number of runs of the writer's task, as counted by the worker."""
    workers = current_app.control.inspect(timeout=5.0, limit=1).stats() or {}
    if not workers:
        raise RuntimeError("the worker does not respond")
    return sum(int(found["total"].get(WRITER_TASK, 0)) for found in workers.values())


def _idle() -> bool:
    before = _runs()
    time.sleep(POLL_SECONDS)
    return _runs() == before


def _versions() -> int:
    with connections.guarded_client("state") as client:
        return int(client.xinfo_stream(EVENTS.key())["entries-added"])


def _applied() -> int:
    view = reader.view_state()
    return view.games if view is not None else 0


def _wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f"the condition was not met within {WAIT_SECONDS:.0f} s")
        time.sleep(POLL_SECONDS)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
