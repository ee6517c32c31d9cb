"""Compare cached responses with recomputed ones: for a correct cache they always agree.

The check takes the standard URLs (warming.py). It compares each stored response with one that the view computes for the
same version and as of the stored response's time, so responses about the last hours can be compared too. The recomputed
response is not stored. A stored response that differs is deleted, and the ASGI middleware of every process drops the
local responses of its family. A pair is skipped if a new version was raised between the two, or if their sources
differ.
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

# Names of fields at any depth of a response; an app may add its own when it is loaded.
timestamp_fields = {"generated_at"}  # when a response was computed
coverage_fields = {"from", "to", "source", "epoch"}  # what it covers: two responses that differ here are not comparable
MAX_TRIES_PER_RESPONSE = 3


@dataclass(slots=True)
class Report:
    """The result of a check. `skipped` counts pairs that could not be compared."""

    agreed: int = 0
    skipped: int = 0
    disagreeing: list[str] = field(default_factory=list)

    @property
    def compared(self) -> int:
        return self.agreed + len(self.disagreeing)

    @property
    def nines(self) -> float:
        """-log10 of the share that disagreed. If none did, of the share that 95 % confidence allows (rule of three)."""
        if not self.compared:
            return 0.0
        return max(0.0, -math.log10((len(self.disagreeing) or 3) / self.compared))

    def __str__(self) -> str:
        least = "" if self.disagreeing else "at least "
        return (
            f"{self.agreed} of {self.compared} cached responses equal recomputed ones ({least}{self.nines:.1f} nines), "
            f"{self.skipped} could not be compared."
        )


def check(count: int, *, urls: Iterable[str] | None = None, on_compared: Callable[[], None] = lambda: None) -> Report:
    """Compare `count` responses, repeating the URLs in random order. Raises RedisUnavailable."""
    report = Report()
    chosen = list(warming.urls() if urls is None else urls)
    random.shuffle(chosen)
    for url in itertools.islice(itertools.cycle(chosen), MAX_TRIES_PER_RESPONSE * count + len(chosen)):
        if report.compared >= count:
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
    """Compare one stored response with a recomputed one. Return None if the two cannot be compared."""
    cached = _call(url)
    if cached is not None and cached.outcome == "MISS":  # it is stored now
        cached = _call(url)
    if cached is None or cached.outcome != "HIT":
        return None
    cached_body = msgspec.json.decode(cached.stored.body)
    with as_of(_generated_at_ms(cached_body) or cached.stored.stored_at_ms):
        computed = _call(url, {caching.BYPASS_META_KEY: True})
    if computed is None:
        return None
    computed_body = msgspec.json.decode(computed.stored.body)
    if versions.current(cached.cached_url.policy.namespace) != cached.stored.version:
        return None
    if _coverage(cached_body) != _coverage(computed_body):
        return None
    if _without_timestamps(cached_body) == _without_timestamps(computed_body):
        return True
    _delete(cached.cached_url.key(cached.stored.version))
    return False


def _call(url: str, environ: dict[str, Any] | None = None) -> ResponseResult | None:
    """Call the view. Return None for an error response, for example while the database is unavailable."""
    return getattr(call_view(url, environ=environ), "result", None)


def _delete(key: Key) -> None:
    with connections.guarded_client("cache") as client:
        client.delete(key)
    clear_times.record(key.family)


def _generated_at_ms(body: Any) -> int | None:
    """Return the time at which the response says that it was computed (unix ms), or None if it does not say so."""
    generated_at = next(_values(body, timestamp_fields), None)
    return round(datetime.fromisoformat(generated_at).timestamp() * 1000) if generated_at is not None else None


def _coverage(body: Any) -> list[Any]:
    return list(_values(body, coverage_fields))


def _values(body: Any, names: set[str]) -> Iterator[Any]:
    if isinstance(body, dict):
        yield from (value for name, value in body.items() if name in names)
    for item in body.values() if isinstance(body, dict) else body if isinstance(body, list) else ():
        yield from _values(item, names)


def _without_timestamps(body: Any) -> Any:
    """Return the body without its timestamps. A response that depends on the time also contains what it covers."""
    if isinstance(body, list):
        return [_without_timestamps(item) for item in body]
    if isinstance(body, dict):
        return {name: _without_timestamps(value) for name, value in body.items() if name not in timestamp_fields}
    return body
