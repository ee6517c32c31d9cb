"""Cached answers beside the truth: the standard URLs (cachecore/warming.py), as the cache keeps them and as their
views compute them anew for the same version. What a correct cache must show is agreement, every time.

The new answer takes the kept one's place, as after any miss: a check mends what it finds. Only answers of one version
and one window are compared; where a new game came between the two, the pair says nothing and is skipped.
"""

import io
import itertools
import math
import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec
from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpResponse
from django.urls import resolve

from cachecore import connections, responses, warming
from cachecore.responses import Url

# Fields by name, wherever they stand in an answer; an app adds its own when it is loaded.
ignored = {"generated_at"}  # say when an answer was made
moving = {"from", "to"}  # say what it covers: of two windows that lie apart, neither is wrong
TRIES_PER_ANSWER = 3


@dataclass(slots=True)
class Report:
    """`skipped` were not comparable: not kept, or overtaken by a new version or by the clock."""

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
    """Compare `wanted` answers, the URLs in random order and over again. Raises RoleUnavailable."""
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
    kept = _ask(url)
    if kept.headers.get("X-Cache") == "MISS":  # it is kept from now on
        kept = _ask(url)
    if kept.headers.get("X-Cache") != "HIT" or not _forget(url, int(kept["X-Data-Version"])):
        return None
    computed = _ask(url)
    if computed.headers.get("X-Cache") != "MISS" or computed["X-Data-Version"] != kept["X-Data-Version"]:
        return None
    before, after = msgspec.json.decode(kept.content), msgspec.json.decode(computed.content)
    if list(_moving(before)) != list(_moving(after)):
        return None
    return bool(_told(before) == _told(after))


def _forget(url: str, version: int) -> bool:
    """Delete the kept answer, so that the next one is computed. False: it was gone already."""
    path, _, query = url.partition("?")
    known = responses.known_urls.get(Url(path, query, "", False, False))
    if known is None:
        return False
    with connections.use("cache") as client:
        return bool(client.delete(known.key(version)))


def _told(answer: Any) -> Any:
    if isinstance(answer, list):
        return [_told(item) for item in answer]
    if isinstance(answer, dict):
        return {name: _told(value) for name, value in answer.items() if name not in ignored}
    return answer


def _moving(answer: Any) -> Iterator[Any]:
    if isinstance(answer, dict):
        yield from (value for name, value in answer.items() if name in moving)
    for item in answer.values() if isinstance(answer, dict) else answer if isinstance(answer, list) else ():
        yield from _moving(item)


def _ask(url: str) -> HttpResponse:
    """The view itself, in this process: no front door and no middleware between."""
    path, _, query = url.partition("?")
    match = resolve(path)
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": path, "QUERY_STRING": query, "wsgi.input": io.BytesIO()}
    request = WSGIRequest({**environ, "SERVER_NAME": "localhost", "SERVER_PORT": "80", "wsgi.url_scheme": "http"})
    response: HttpResponse = match.func(request, *match.args, **match.kwargs)
    return response
