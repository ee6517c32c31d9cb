"""Measure uncached analytics, from the live view and from PostgreSQL.

python -m benchmarks.queries [--games 100000 1000000] [--calls 100] [--seconds 3] [--profile]
"""

import argparse
import os

from benchmarks._private_project import private_project, run


def main() -> None:
    args = _parse_args()
    print(f"load before: {os.getloadavg()[0]:.2f} on {os.cpu_count()} cores; at most {args.calls} calls a cell")
    print("peer: uncached over HTTP at 100,000 games, measured on another machine; compare orders of magnitude only")
    with private_project() as environment:
        # The circuit breaker, which is opened to measure the database, must not close by itself. A flush of the
        # statistics would close it as well.
        environment |= {"REDIS_BREAKER_SECONDS": "1000000", "CACHE_STATS_FLUSH_SECONDS": "0"}
        for games in args.games:
            options = [
                str(games),
                str(args.calls),
                str(args.seconds),
                *(["--profile"] if args.profile else []),
            ]
            run("benchmarks.queries_parts.timing", *options, environment=environment)
    print(f"\nload after: {os.getloadavg()[0]:.2f}")


def _parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.queries", description=__doc__)
    parser.add_argument("--games", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--calls", type=int, default=100, help="calls per query, source and method")
    parser.add_argument("--seconds", type=float, default=3.0, help="the most seconds for each of these")
    parser.add_argument("--profile", action="store_true", help="profile the computations instead of timing them")
    return parser.parse_args()


if __name__ == "__main__":
    main()
