"""Uncached answers of the analytics, from the live view and from PostgreSQL.

python -m benchmarks.queries [--games 100000 1000000] [--calls 100] [--seconds 3] [--profile]
"""

import argparse
import os

from benchmarks._private import private_project, run


def main() -> None:
    asked = _arguments()
    print(f"load before: {os.getloadavg()[0]:.2f} on {os.cpu_count()} cores; at most {asked.calls} calls a cell")
    print("peer: uncached over HTTP at 100,000 games, measured elsewhere on another day; only the size compares")
    with private_project() as environment:
        # The breaker that is opened for the database's figures must not close by itself, and the thread that adds up
        # statistics closes it when a call of its own was under way.
        environment |= {"REDIS_BREAKER_SECONDS": "1000000", "CACHE_STATS_FLUSH_SECONDS": "0"}
        for games in asked.games:
            options = [str(games), str(asked.calls), str(asked.seconds), *(["--profile"] if asked.profile else [])]
            run("benchmarks.queries_parts.timing", *options, environment=environment)
    print(f"\nload after: {os.getloadavg()[0]:.2f}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.queries", description=__doc__)
    parser.add_argument("--games", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--calls", type=int, default=100, help="per question, source and way of asking")
    parser.add_argument("--seconds", type=float, default=3.0, help="at most so long in each of these")
    parser.add_argument("--profile", action="store_true", help="say where the time goes, instead of timing")
    return parser.parse_args()


if __name__ == "__main__":
    main()
