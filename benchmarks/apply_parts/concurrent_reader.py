"""Read while another process rebuilds the view, and compare every result with the only right one.

python -m benchmarks.apply_parts.concurrent_reader

Prints a line when the right results are computed. Ends after a line on stdin, and then prints the times of each read,
by the system's monotonic clock, which all processes share.
"""

import json
import sys
import threading
import time
from collections import Counter
from datetime import timedelta

import django

django.setup()

from benchmarks.queries_parts.calls import computation_of, forced_source  # noqa: E402
from benchmarks.queries_parts.cases import QueryCase  # noqa: E402
from cachecore.clock import now_ms  # noqa: E402
from games.times import from_unix_ms  # noqa: E402

PAUSE_SECONDS = 0.005  # without pauses the reader would measure its own load
DAY = timedelta(hours=24)


def main() -> None:
    calls = {case.name: computation_of(case) for case in _cases()}
    with forced_source("database"):
        right = {name: _as_json(call().payload["results"]) for name, call in calls.items()}
    print("reading", flush=True)
    stop = threading.Event()
    threading.Thread(target=_stop_on_input, args=[stop], daemon=True).start()
    reads: dict[str, list[tuple[float, float]]] = {name: [] for name in calls}
    sources: Counter[str] = Counter()
    wrong = 0
    while not stop.wait(PAUSE_SECONDS):
        for name, call in calls.items():
            began = time.monotonic()
            payload = call().payload
            reads[name].append((began, time.monotonic()))
            sources[payload["meta"]["source"]] += 1
            wrong += _as_json(payload["results"]) != right[name]
    print(json.dumps({"reads": reads, "sources": sources, "wrong": wrong}), flush=True)


def _stop_on_input(stop: threading.Event) -> None:
    sys.stdin.readline()
    stop.set()


def _cases() -> list[QueryCase]:
    """Return queries with a fixed window of time, so that the right result does not change with the clock."""
    end = from_unix_ms(now_ms()).replace(minute=0, second=0, microsecond=0)
    day = f"since={end - DAY:%Y-%m-%dT%H:%M:%SZ}&until={end:%Y-%m-%dT%H:%M:%SZ}"
    return [
        QueryCase("occurrences, 100 games", "occurrences/?min=10"),
        QueryCase("occurrences, all", "occurrences/?min=10&all=true"),
        QueryCase("intervals, a day", f"intervals/?min=10&{day}"),
        QueryCase("series, 1,000", "series/?min=10"),
    ]


def _as_json(results: object) -> str:
    return json.dumps(results, default=str)


if __name__ == "__main__":
    main()
