"""Measure what applying games to the live view costs, compared with simpler ways that guarantee less.

python -m benchmarks.apply [--only batches late rebuild wakeups] [--rounds 5] [--full]
"""

import argparse
import os

from benchmarks._private_project import private_project, run

WITHOUT_DEBOUNCE = {"ANALYTICS_VERSION_EVERY_MS": "0"}  # the wait that collects bursts is not to be measured


def main() -> None:
    args = _parse_args()
    print(f"load before: {os.getloadavg()[0]:.2f} on {os.cpu_count()} cores; median (least..greatest)")
    for part in args.only:
        with private_project() as environment:
            settings = environment if part == "wakeups" else environment | WITHOUT_DEBOUNCE
            run(f"benchmarks.apply_parts.{part}", *_options(part, args), environment=settings)
    print(f"\nload after: {os.getloadavg()[0]:.2f}")


def _options(part: str, args: argparse.Namespace) -> list[str]:
    rounds = str(args.rounds)
    return {
        "batches": [rounds, str(args.calls)],
        "late": [rounds, "100000", *(["1000000"] if args.full else [])],
        "rebuild": [rounds, "1000000" if args.full else "200000"],
        "wakeups": ["10000" if args.full else "1000", str(args.processes)],
    }[part]


def _parse_args() -> argparse.Namespace:
    parts = ["batches", "late", "rebuild", "wakeups"]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.apply", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=parts, default=parts)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--calls", type=int, default=200, help="one-game calls per round; fewer for large batches")
    parser.add_argument("--processes", type=int, default=2, help="processes of the worker that the saves wake")
    parser.add_argument("--full", action="store_true", help="1,000,000 games and 10,000 saves instead of about a tenth")
    return parser.parse_args()


if __name__ == "__main__":
    main()
