"""Cached answers beside the truth: the standard URLs (warming.py), as the cache keeps them and as their
views compute them anew for the same version. What a correct cache must show is agreement, every time.

The truth is computed as of the moment that the kept answer names, so answers about the last hours are judged like any
other. It is not stored; a kept answer that disagrees is deleted, and front doors forget theirs of its family: a check
mends what it finds. Where a new version rose between the two, or they have different sources, the pair says nothing
and is skipped.
"""

import itertools
import math
import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from cachecore import versions
from cachecore.clock import as_of
from cachecore.keys import Key
from cachecore.maintenance import warming
from cachecore.maintenance.internal_requests import call_view
from cachecore.redis_client import connections
from cachecore.responses import caching
from cachecore.responses.caching import ResponseResult
from cachecore.storage import clear_times

# Fields by name, wherever they stand in an answer; an app adds its own when it is loaded.
timestamp_fields = {"generated_at"}  # as of when an answer was made
coverage_fields = {"from", "to", "source", "epoch"}  # say what it covers: of two that lie apart, neither is wrong
TRIES_PER_ANSWER = 3


@dataclass(slots=True)
class Report:
    """`skipped` were not comparable: errors, not kept, or overtaken by a new version or by the clock."""

    agreed: int = 0
    skipped: int = 0
    disagreeing: list[str] = field(default_factory=list)

    @property
    def compared(self) -> int:
        return self.agreed + len(self.disagreeing)

    @property
    def nines(self) -> float:
        """-log10 of the share that disagreed; where none did, of what 95 % confidence allows (the rule of three)."""
        if not self.compared:
            return 0.0
        return max(0.0, -math.log10((len(self.disagreeing) or 3) / self.compared))

    def __str__(self) -> str:
        least = "" if self.disagreeing else "at least "
        return (
            f"{self.agreed} of {self.compared} cached answers agree with the truth ({least}{self.nines:.1f} nines), "
            f"{self.skipped} could not be compared."
        )


def check(wanted: int, *, urls: Iterable[str] | None = None, on_compared: Callable[[], None] = lambda: None) -> Report:
    """Compare `wanted` answers, the URLs in random order and over again. Raises RedisUnavailable."""
    report = Report()
    chosen = list(warming.urls() if urls is None else urls)
    random.shuffle(chosen)
    for url in itertools.islice(itertools.cycle(chosen), TRIES_PER_ANSWER * wanted + len(chosen)):
        if report.compared >= wanted:
            break
        agrees = _agrees(url)
        if agrees is None:
            report.skipped += 1
            continue
        if agrees:
            report.agreed += 1
        else:
            report.disagreeing.append(url)
        on_compared()
    return report


def _agrees(url: str) -> bool | None:
    """None where the two may not be compared."""
    kept = _asked(url)
    if kept is not None and kept.outcome == "MISS":  # it is kept from now on
        kept = _asked(url)
    if kept is None or kept.outcome != "HIT":
        return None
    before = msgspec.json.decode(kept.stored.body)
    with as_of(_moment(before) or kept.stored.stored_at_ms):
        truth = _asked(url, {caching.BYPASS_META_KEY: True})
    if truth is None:
        return None
    after = msgspec.json.decode(truth.stored.body)
    if versions.current(kept.cached_url.policy.namespace) != kept.stored.version or _covered(before) != _covered(after):
        return None
    if _told(before) == _told(after):
        return True
    _delete(kept.cached_url.key(kept.stored.version))
    return False


def _asked(url: str, environ: dict[str, Any] | None = None) -> ResponseResult | None:
    """None for an error, as while the database is away."""
    return getattr(call_view(url, environ=environ), "result", None)


def _delete(key: Key) -> None:
    with connections.guarded_client("cache") as client:
        client.delete(key)
    clear_times.record(key.family)


def _moment(answer: Any) -> int | None:
    """Unix ms of when the answer says it was made."""
    told = next(_values(answer, timestamp_fields), None)
    return round(datetime.fromisoformat(told).timestamp() * 1000) if told is not None else None


def _covered(answer: Any) -> list[Any]:
    return list(_values(answer, coverage_fields))


def _values(answer: Any, names: set[str]) -> Iterator[Any]:
    if isinstance(answer, dict):
        yield from (value for name, value in answer.items() if name in names)
    for item in answer.values() if isinstance(answer, dict) else answer if isinstance(answer, list) else ():
        yield from _values(item, names)


def _told(answer: Any) -> Any:
    """Without when it was made: an answer that depends on that says what it covers, too."""
    if isinstance(answer, list):
        return [_told(item) for item in answer]
    if isinstance(answer, dict):
        return {name: _told(value) for name, value in answer.items() if name not in timestamp_fields}
    return answer
