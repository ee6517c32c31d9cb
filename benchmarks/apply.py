"""What applying games to the live view costs, beside simpler ways that promise less.

python -m benchmarks.apply [--only batches late rebuild wakeups] [--rounds 5] [--full]
"""

import argparse
import os

from benchmarks._private import private_project, run

AT_ONCE = {"ANALYTICS_VERSION_EVERY_MS": "0"}  # work is measured, not the wait that gathers bursts


def main() -> None:
    asked = _arguments()
    print(f"load before: {os.getloadavg()[0]:.2f} on {os.cpu_count()} cores; median (least..greatest)")
    for part in asked.only:
        with private_project() as environment:
            settings = environment if part == "wakeups" else environment | AT_ONCE
            run(f"benchmarks.apply_parts.{part}", *_options(part, asked), environment=settings)
    print(f"\nload after: {os.getloadavg()[0]:.2f}")


def _options(part: str, asked: argparse.Namespace) -> list[str]:
    rounds = str(asked.rounds)
    return {
        "batches": [rounds, str(asked.calls)],
        "late": [rounds, "100000", *(["1000000"] if asked.full else [])],
        "rebuild": [rounds, "1000000" if asked.full else "200000"],
        "wakeups": ["10000" if asked.full else "1000", str(asked.processes)],
    }[part]


def _arguments() -> argparse.Namespace:
    parts = ["batches", "late", "rebuild", "wakeups"]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.apply", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=parts, default=parts)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--calls", type=int, default=200, help="one-game calls a round; of large batches fewer")
    parser.add_argument("--processes", type=int, default=2, help="of the worker that the saves wake")
    parser.add_argument("--full", action="store_true", help="1,000,000 games and 10,000 saves; else a tenth or so")
    return parser.parse_args()


if __name__ == "__main__":
    main()
