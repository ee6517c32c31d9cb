"""Replay an access log over HTTP: without the cache, with it, and with rewarming of the most requested URLs.

python -m benchmarks.replay [--rounds 2] [--seconds 12] [--rate 60] [--every 6] [--only cold rewarmed]
"""

import argparse
import asyncio
import os
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack

from benchmarks import _load
from benchmarks.replay_parts.log import ALL_RESPONSE_FAMILIES, AccessLog, Entry
from benchmarks.replay_parts.report import Round, report
from benchmarks.replay_parts.site import Site, site

WITHOUT_WARMING = {"DJANGO_SETTINGS_MODULE": "benchmarks.replay_parts.settings_without_warming"}
MODES: Mapping[str, Mapping[str, str]] = {
    "no cache": {**WITHOUT_WARMING, "CACHE_RESPONSES_OFF": ALL_RESPONSE_FAMILIES},
    "cold": WITHOUT_WARMING,
    "standard": {"CACHE_REWARM_TOP": "0"},
    "rewarmed": {},
}
DESCRIPTIONS = {
    "no cache": "every response is computed (CACHE_RESPONSES_OFF)",
    "cold": "the cache without warming: after a new version every URL is a miss",
    "standard": "the cache; the standard responses are warmed (CACHE_REWARM_TOP=0)",
    "rewarmed": "the cache; first the 50 most requested URLs are warmed, then the standard responses",
}
DEFAULT_MODES = ["no cache", "cold", "rewarmed"]
SATURATION_PATHS = 2_000  # paths of the log that are requested again and again


def main() -> None:
    args = _parse_args()
    print(f"load before: {os.getloadavg()[0]:.2f} on {os.cpu_count()} cores; saturated by {_load.generator()}")
    print(
        f"{args.rounds} rounds, modes in turn: {args.seconds} s of the log at {args.rate:g} requests/s over "
        f"{args.urls} URLs, then {args.saturated} s of {args.connections} clients without pauses; a game every "
        f"{args.every:g} s over {args.games:,}; median (minimum..maximum) of the rounds\n"
    )
    for mode in args.only:
        print(f"  {mode:9} {DESCRIPTIONS[mode]}")
    print(f"\n{report(asyncio.run(_measure(args)))}")
    print(f"\nload after: {os.getloadavg()[0]:.2f}")


def _parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.replay", description=__doc__)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seconds", type=int, default=12, help="seconds of the log per mode and round")
    parser.add_argument("--rate", type=float, default=60.0, help="requests a second")
    # Warming runs at most once per five seconds. With games at a faster rate, that limit would dominate the result.
    parser.add_argument("--every", type=float, default=6.0, help="seconds between games (20 on a real site)")
    parser.add_argument("--urls", type=int, default=300)
    parser.add_argument("--games", type=int, default=20_000)
    parser.add_argument("--saturated", type=int, default=4, help="seconds per mode and round")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--only", nargs="+", choices=list(MODES), default=DEFAULT_MODES)
    return parser.parse_args()


async def _measure(args: argparse.Namespace) -> dict[str, list[Round]]:
    async with AsyncExitStack() as running:
        lock = asyncio.Lock()
        starting = [running.enter_async_context(site(MODES[mode], args.games, lock)) for mode in args.only]
        sites = dict(zip(args.only, await asyncio.gather(*starting), strict=True))
        # All modes of a round get the same lines of the log; the next round gets other lines.
        log = AccessLog(args.urls, args.games)
        warm_up = log.replay(args.rate, args.seconds / 2)
        for each in sites.values():
            await each.replay(warm_up, args.seconds / 2, args.every)  # not counted: imports, connections, first uses
        rounds: dict[str, list[Round]] = {mode: [] for mode in args.only}
        for number in range(args.rounds):
            entries, paths = log.replay(args.rate, args.seconds), log.paths(SATURATION_PATHS)
            for mode in args.only if number % 2 == 0 else reversed(args.only):
                rounds[mode].append(await _round(sites[mode], entries, paths, args))
    return rounds


async def _round(each: Site, entries: Sequence[Entry], paths: Sequence[str], args: argparse.Namespace) -> Round:
    window = await each.replay(entries, args.seconds, args.every)
    return Round(window, await each.saturate(paths, args.connections, args.saturated, args.every))


if __name__ == "__main__":
    main()
