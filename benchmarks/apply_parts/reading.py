"""Read while somebody else rebuilds, and hold every answer against the one that was true before and is true after.

python -m benchmarks.apply_parts.reading     prints a line when it knows what is right; ends after a line on stdin

Then it tells when each read began and ended, by the monotonic clock that all processes share.
"""

import json
import sys
import threading
import time
from collections import Counter
from datetime import timedelta

import django

django.setup()

from benchmarks.queries_parts.asking import answer_of, only  # noqa: E402
from benchmarks.queries_parts.questions import Question  # noqa: E402
from cachecore.clock import now_ms  # noqa: E402
from games.times import from_unix_ms  # noqa: E402

PAUSE_SECONDS = 0.005  # readers that never pause would measure themselves
DAY = timedelta(hours=24)


def main() -> None:
    calls = {question.name: answer_of(question) for question in _questions()}
    with only("database"):
        right = {name: _plain(call().payload["results"]) for name, call in calls.items()}
    print("reading", flush=True)
    stop = threading.Event()
    threading.Thread(target=_set_when_told, args=[stop], daemon=True).start()
    reads: dict[str, list[tuple[float, float]]] = {name: [] for name in calls}
    sources: Counter[str] = Counter()
    wrong = 0
    while not stop.wait(PAUSE_SECONDS):
        for name, call in calls.items():
            began = time.monotonic()
            payload = call().payload
            reads[name].append((began, time.monotonic()))
            sources[payload["meta"]["source"]] += 1
            wrong += _plain(payload["results"]) != right[name]
    print(json.dumps({"reads": reads, "sources": sources, "wrong": wrong}), flush=True)


def _set_when_told(stop: threading.Event) -> None:
    sys.stdin.readline()
    stop.set()


def _questions() -> list[Question]:
    """A day that stands still: what is right must not change with the clock."""
    end = from_unix_ms(now_ms()).replace(minute=0, second=0, microsecond=0)
    day = f"since={end - DAY:%Y-%m-%dT%H:%M:%SZ}&until={end:%Y-%m-%dT%H:%M:%SZ}"
    return [
        Question("occurrences, 100 games", "occurrences/?min=10"),
        Question("occurrences, all", "occurrences/?min=10&all=true"),
        Question("intervals, a day", f"intervals/?min=10&{day}"),
        Question("series, 1,000", "series/?min=10"),
    ]


def _plain(results: object) -> str:
    return json.dumps(results, default=str)


if __name__ == "__main__":
    main()
