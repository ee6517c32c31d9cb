"""Measure the time from the commit of a game to the first response that contains it, in each of two API processes.

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
from benchmarks._poller import PolledResponse, Poller
from benchmarks._private_project import celery_worker, private_project
from benchmarks._servers import granian

APPLICATION = "config.asgi:application"
TARGET_MS = 100
VISIBLE_TIMEOUT_SECONDS = 30.0
POLL_SECONDS = 0.02
MIN_PAUSE_SECONDS = 0.02


@dataclass(slots=True)
class Commits:
    """The time of each game's commit, and the games by the rate at which they were recorded."""

    at: dict[int, float] = field(default_factory=dict)
    paces: dict[str, list[int]] = field(default_factory=dict)


def main() -> None:
    args = _parse_args()
    print(f"load before: {os.getloadavg()[0]:.2f} on {os.cpu_count()} cores")
    with private_project() as environment, ExitStack() as running:
        logs = Path(environment["DATA_DIR"])
        running.enter_context(celery_worker(environment, logs / "worker.log"))
        apis = [
            running.enter_context(granian(APPLICATION, environment, logs / f"{name}.log", set(), "--interface", "asgi"))
            for name in ("first", "second")
        ]
        pollers = [Poller(api.url) for api in apis]
        commits = asyncio.run(_measure(pollers, environment, args))
    print(_report(pollers, commits))
    print(f"load after: {os.getloadavg()[0]:.2f}")


def _parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.visible", description=__doc__)
    parser.add_argument("--games", type=int, default=300, help="half of them singly, half in bursts")
    parser.add_argument("--burst", type=int, default=20, help="games per burst, recorded without a pause")
    parser.add_argument("--every", type=float, default=0.2, help="mean seconds between single games, and after bursts")
    return parser.parse_args()


async def _measure(pollers: Sequence[Poller], environment: Mapping[str, str], args: argparse.Namespace) -> Commits:
    commits = Commits()
    async with _recorder(environment) as recorder:
        first = await _record(recorder, 1)
        polling = [asyncio.create_task(poller.run()) for poller in pollers]
        try:
            await _wait_until_visible(pollers, polling, max(first))
            for poller in pollers:
                poller.responses.clear()
            single, bursts = args.games - args.games // 2, args.games // 2
            await _record_all(recorder, commits, f"singly, {1 / args.every:.1f} a second", single, 1, args.every)
            await _record_all(recorder, commits, f"bursts of {args.burst}", bursts, args.burst, args.every)
            await _wait_until_visible(pollers, polling, max(commits.at))
        finally:
            for task in polling:
                task.cancel()
            await asyncio.gather(*polling, return_exceptions=True)
    return commits


@asynccontextmanager
async def _recorder(environment: Mapping[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks._game_recorder", stdin=pipe, stdout=pipe, env=environment
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
    """Record games with random pauses, because a steady rate might synchronise with the interval between versions."""
    pauses = random.Random(1)
    recorded: list[int] = []
    while len(recorded) < games:
        found = await _record(recorder, min(at_once, games - len(recorded)))
        commits.at |= found
        recorded += found
        await asyncio.sleep(MIN_PAUSE_SECONDS + pauses.expovariate(1 / every))
    commits.paces[pace] = recorded


async def _wait_until_visible(pollers: Sequence[Poller], polling: Sequence["asyncio.Task[None]"], game: int) -> None:
    async with asyncio.timeout(VISIBLE_TIMEOUT_SECONDS):
        while any(not poller.responses or poller.responses[-1].game < game for poller in pollers):
            for task in polling:
                if task.done():
                    task.result()
            await asyncio.sleep(POLL_SECONDS)


def _report(pollers: Sequence[Poller], commits: Commits) -> str:
    head = ["games", "process", "p50 ms", "p99 ms", "max ms", f"above {TARGET_MS} ms"]
    rows = []
    for pace, games in commits.paces.items():
        for number, poller in enumerate(pollers, start=1):
            times = _milliseconds(poller.responses, {game: commits.at[game] for game in games})
            rows.append(_row(f"{len(games)} {pace}", str(number), times))
    different, compared = _count_differences(*(poller.responses for poller in pollers))
    behind = max(_max_staleness_ms(poller.responses, commits.at) for poller in pollers)
    lines = [
        f"\nFrom the commit to the first response that contains the game (target: p99 <= {TARGET_MS} ms)\n",
        table([head, *rows]),
        f"\n{sum(len(poller.responses) for poller in pollers):,} responses, "
        f"{sum(poller.failures for poller in pollers)} failures, "
        f"{sum(_count_regressions(poller.responses) for poller in pollers)} older than the one before.",
        f"The processes' responses differed for {different} of {compared} versions that both returned.",
        f"The most outdated response was {behind:.0f} ms behind when it was requested.",
    ]
    return "\n".join(lines)


def _row(pace: str, process: str, times: Sequence[float]) -> list[str]:
    late = sum(ms > TARGET_MS for ms in times)
    p99 = quantiles(times, n=100, method="inclusive")[98]
    return [pace, process, f"{median(times):.0f}", f"{p99:.0f}", f"{max(times):.0f}", f"{late} of {len(times)}"]


def _milliseconds(responses: Sequence[PolledResponse], commits: Mapping[int, float]) -> list[float]:
    """Return the times to the first response. Polling adds up to INTERVAL_SECONDS to each."""
    times, remaining = [], iter(responses)
    response = next(remaining)
    for game, committed in sorted(commits.items()):
        while response.game < game:
            response = next(remaining)
        times.append((response.received_at - committed) * 1000)
    return times


def _count_differences(one: Sequence[PolledResponse], other: Sequence[PolledResponse]) -> tuple[int, int]:
    """Return how many versions have different responses, and how many both processes returned."""
    contents: dict[int, set[str]] = {}
    for response in (*one, *other):
        contents.setdefault(response.version, set()).add(response.content)
    both = {response.version for response in one} & {response.version for response in other}
    return sum(len(contents[version]) > 1 for version in both), len(both)


def _max_staleness_ms(responses: Sequence[PolledResponse], commits: Mapping[int, float]) -> float:
    """Return the greatest time, in ms, between the commit of the oldest game that a response lacks and its request."""
    ages = [
        response.sent_at - commits[response.game + 1]
        for response in responses
        if commits.get(response.game + 1, response.sent_at) < response.sent_at
    ]
    return 1000 * max(ages, default=0.0)


def _count_regressions(responses: Sequence[PolledResponse]) -> int:
    return sum(later.game < earlier.game for earlier, later in pairwise(responses))


if __name__ == "__main__":
    main()
