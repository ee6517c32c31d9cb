"""An access log replayed over HTTP: without the cache, with it, and with what is asked most computed anew at once.

python -m benchmarks.replay [--rounds 2] [--seconds 12] [--rate 60] [--every 6] [--only cold rewarmed]
"""

import argparse
import asyncio
import os
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack

from benchmarks import _load
from benchmarks.replay_parts.log import OFF, AccessLog, Entry
from benchmarks.replay_parts.report import Round, report
from benchmarks.replay_parts.site import Site, site

UNWARMED = {"DJANGO_SETTINGS_MODULE": "benchmarks.replay_parts.unwarmed"}
MODES: Mapping[str, Mapping[str, str]] = {
    "no cache": {**UNWARMED, "CACHE_RESPONSES_OFF": OFF},
    "cold": UNWARMED,
    "standard": {"CACHE_REWARM_TOP": "0"},
    "rewarmed": {},
}
MEANING = {
    "no cache": "every answer is computed (CACHE_RESPONSES_OFF)",
    "cold": "the cache; a new version makes it cold",
    "standard": "the cache; the standard answers are warmed (CACHE_REWARM_TOP=0)",
    "rewarmed": "the cache; the standard answers are warmed, and before them the 50 URLs that were asked most",
}
DEFAULT_MODES = ["no cache", "cold", "rewarmed"]
LINES_SATURATED = 2_000  # of the log, over and over


def main() -> None:
    asked = _arguments()
    print(f"load before: {os.getloadavg()[0]:.2f} on {os.cpu_count()} cores; saturated by {_load.generator()}")
    print(
        f"{asked.rounds} rounds, modes in turn: {asked.seconds} s of the log at {asked.rate:g} requests/s over "
        f"{asked.urls} URLs, then {asked.saturated} s of {asked.connections} clients without pauses; a game every "
        f"{asked.every:g} s over {asked.games:,}; median (least..greatest) of the rounds\n"
    )
    for mode in asked.only:
        print(f"  {mode:9} {MEANING[mode]}")
    print(f"\n{report(asyncio.run(_measure(asked)))}")
    print(f"\nload after: {os.getloadavg()[0]:.2f}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.replay", description=__doc__)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seconds", type=int, default=12, help="of the log, a mode and round")
    parser.add_argument("--rate", type=float, default=60.0, help="requests a second")
    # Warming is one run per five seconds: a faster pace says more of that limit than of what warming gains.
    parser.add_argument("--every", type=float, default=6.0, help="seconds between games (20 on a real site)")
    parser.add_argument("--urls", type=int, default=300)
    parser.add_argument("--games", type=int, default=20_000)
    parser.add_argument("--saturated", type=int, default=4, help="seconds, a mode and round")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--only", nargs="+", choices=list(MODES), default=DEFAULT_MODES)
    return parser.parse_args()


async def _measure(asked: argparse.Namespace) -> dict[str, list[Round]]:
    async with AsyncExitStack() as running:
        lock = asyncio.Lock()
        begun = [running.enter_async_context(site(MODES[mode], asked.games, lock)) for mode in asked.only]
        sites = dict(zip(asked.only, await asyncio.gather(*begun), strict=True))
        # The same lines for every mode in a round; other lines in the next.
        log = AccessLog(asked.urls, asked.games)
        begin = log.replay(asked.rate, asked.seconds / 2)
        for each in sites.values():
            await each.replay(begin, asked.seconds / 2, asked.every)  # not counted: imports, connections, first uses
        rounds: dict[str, list[Round]] = {mode: [] for mode in asked.only}
        for number in range(asked.rounds):
            entries, paths = log.replay(asked.rate, asked.seconds), log.paths(LINES_SATURATED)
            for mode in asked.only if number % 2 == 0 else reversed(asked.only):
                rounds[mode].append(await _round(sites[mode], entries, paths, asked))
    return rounds


async def _round(each: Site, entries: Sequence[Entry], paths: Sequence[str], asked: argparse.Namespace) -> Round:
    window = await each.replay(entries, asked.seconds, asked.every)
    return Round(window, await each.saturate(paths, asked.connections, asked.saturated, asked.every))


if __name__ == "__main__":
    main()
