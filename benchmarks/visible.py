"""From the commit of a game to the first answer that contains it, in each of two API processes.

python -m benchmarks.visible [--games 300] [--burst 20] [--every 0.2]
"""

import argparse
import asyncio
import json
import os
import random
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from statistics import median, quantiles

from benchmarks._harness import table
from benchmarks._private import celery_worker, private_project
from benchmarks._servers import granian
from benchmarks._watching import Seen, Watcher

APPLICATION = "config.asgi:application"
AIM_MS = 100
SETTLE_SECONDS = 30.0
POLL_SECONDS = 0.02
LEAST_BETWEEN_SECONDS = 0.02


@dataclass(slots=True)
class Commits:
    """When each game was committed, by the pace it came at."""

    at: dict[int, float] = field(default_factory=dict)
    paces: dict[str, list[int]] = field(default_factory=dict)


def main() -> None:
    asked = _arguments()
    print(f"load before: {os.getloadavg()[0]:.2f} on {os.cpu_count()} cores")
    with private_project() as environment, ExitStack() as running:
        logs = Path(environment["DATA_DIR"])
        running.enter_context(celery_worker(environment, logs / "worker.log"))
        apis = [
            running.enter_context(granian(APPLICATION, environment, logs / f"{name}.log", set(), "--interface", "asgi"))
            for name in ("first", "second")
        ]
        watchers = [Watcher(api.url) for api in apis]
        commits = asyncio.run(_measure(watchers, environment, asked))
    print(_report(watchers, commits))
    print(f"load after: {os.getloadavg()[0]:.2f}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.visible", description=__doc__)
    parser.add_argument("--games", type=int, default=300, help="half of them singly, half in bursts")
    parser.add_argument("--burst", type=int, default=20, help="games of a burst, one after the other without a pause")
    parser.add_argument("--every", type=float, default=0.2, help="mean seconds between single games, and after bursts")
    return parser.parse_args()


async def _measure(watchers: Sequence[Watcher], environment: Mapping[str, str], asked: argparse.Namespace) -> Commits:
    commits = Commits()
    async with _recorder(environment) as recorder:
        first = await _record(recorder, 1)
        watching = [asyncio.create_task(watcher.run()) for watcher in watchers]
        try:
            await _until_seen(watchers, watching, max(first))
            for watcher in watchers:
                watcher.seen.clear()
            single, bursts = asked.games - asked.games // 2, asked.games // 2
            await _record_all(recorder, commits, f"singly, {1 / asked.every:.1f} a second", single, 1, asked.every)
            await _record_all(recorder, commits, f"bursts of {asked.burst}", bursts, asked.burst, asked.every)
            await _until_seen(watchers, watching, max(commits.at))
        finally:
            for task in watching:
                task.cancel()
            await asyncio.gather(*watching, return_exceptions=True)
    return commits


@asynccontextmanager
async def _recorder(environment: Mapping[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks._recording", stdin=pipe, stdout=pipe, env=environment
    )
    try:
        assert process.stdout is not None
        await process.stdout.readline()
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _record(recorder: asyncio.subprocess.Process, count: int) -> dict[int, float]:
    assert recorder.stdin is not None
    assert recorder.stdout is not None
    recorder.stdin.write(f"{count}\n".encode())
    return dict([json.loads(await recorder.stdout.readline()) for _ in range(count)])


async def _record_all(
    recorder: asyncio.subprocess.Process, commits: Commits, pace: str, games: int, at_once: int, every: float
) -> None:
    """Pauses are random: a steady pace might fall into step with the 100 ms between versions."""
    pauses = random.Random(1)
    recorded: list[int] = []
    while len(recorded) < games:
        found = await _record(recorder, min(at_once, games - len(recorded)))
        commits.at |= found
        recorded += found
        await asyncio.sleep(LEAST_BETWEEN_SECONDS + pauses.expovariate(1 / every))
    commits.paces[pace] = recorded


async def _until_seen(watchers: Sequence[Watcher], watching: Sequence["asyncio.Task[None]"], game: int) -> None:
    async with asyncio.timeout(SETTLE_SECONDS):
        while any(not watcher.seen or watcher.seen[-1].game < game for watcher in watchers):
            for task in watching:
                if task.done():
                    task.result()
            await asyncio.sleep(POLL_SECONDS)


def _report(watchers: Sequence[Watcher], commits: Commits) -> str:
    head = ["games", "process", "p50 ms", "p99 ms", "most ms", f"above {AIM_MS} ms"]
    rows = []
    for pace, games in commits.paces.items():
        for number, watcher in enumerate(watchers, start=1):
            times = _milliseconds(watcher.seen, {game: commits.at[game] for game in games})
            rows.append(_row(f"{len(games)} {pace}", str(number), times))
    different, compared = _different(*(watcher.seen for watcher in watchers))
    behind = max(_oldest_behind(watcher.seen, commits.at) for watcher in watchers)
    lines = [
        f"\nFrom the commit to the first answer that contains the game (aim: p99 <= {AIM_MS} ms)\n",
        table([head, *rows]),
        f"\n{sum(len(watcher.seen) for watcher in watchers):,} answers, "
        f"{sum(watcher.failures for watcher in watchers)} failures, "
        f"{sum(_backwards(watcher.seen) for watcher in watchers)} older than the one before.",
        f"{different} of {compared} versions that both processes answered were answered differently.",
        f"The oldest answer was {behind:.0f} ms behind when it was asked for.",
    ]
    return "\n".join(lines)


def _row(pace: str, process: str, times: Sequence[float]) -> list[str]:
    late = sum(ms > AIM_MS for ms in times)
    p99 = quantiles(times, n=100, method="inclusive")[98]
    return [pace, process, f"{median(times):.0f}", f"{p99:.0f}", f"{max(times):.0f}", f"{late} of {len(times)}"]


def _milliseconds(seen: Sequence[Seen], commits: Mapping[int, float]) -> list[float]:
    """To the first answer that is there; it was asked for up to EVERY_SECONDS after it could have been."""
    times, answers = [], iter(seen)
    answer = next(answers)
    for game, committed in sorted(commits.items()):
        while answer.game < game:
            answer = next(answers)
        times.append((answer.answered - committed) * 1000)
    return times


def _different(one: Sequence[Seen], other: Sequence[Seen]) -> tuple[int, int]:
    """Versions of which there are several answers, and versions that both gave."""
    said: dict[int, set[str]] = {}
    for seen in (*one, *other):
        said.setdefault(seen.version, set()).add(seen.said)
    both = {seen.version for seen in one} & {seen.version for seen in other}
    return sum(len(said[version]) > 1 for version in both), len(both)


def _oldest_behind(seen: Sequence[Seen], commits: Mapping[int, float]) -> float:
    """How long before the question the oldest game that the answer lacks was committed, at the most, in ms."""
    ages = [
        answer.asked - commits[answer.game + 1]
        for answer in seen
        if commits.get(answer.game + 1, answer.asked) < answer.asked
    ]
    return 1000 * max(ages, default=0.0)


def _backwards(seen: Sequence[Seen]) -> int:
    return sum(later.game < earlier.game for earlier, later in pairwise(seen))


if __name__ == "__main__":
    main()
