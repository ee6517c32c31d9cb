"""Ask a question uncached, from the view or from the table, whole or only its answer.

`answer` is the view's answer function: from the validated query to the payload. `request` is all of Django around it
through its test client: middleware, routing, validation, limits, the look into the empty cache, JSON, gzip, the store.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

from django.test import Client, RequestFactory
from django.urls import resolve
from rest_framework.request import Request

from analytics.endpoints.base import AnalyticsView
from benchmarks.queries_parts.questions import Question
from cachecore.redis_client import connections
from cachecore.responses.caching import ComputedResult

Origin = Literal["live", "database"]
Ask = Callable[[], float]  # one call; how long it took, in ms

_client = Client(SERVER_NAME="127.0.0.1")


def answer_of(question: Question) -> Callable[[], ComputedResult]:
    """The bare call."""
    request = Request(RequestFactory().get(question.url))
    view: type[AnalyticsView] = resolve(request.path).func.view_class  # type: ignore[attr-defined]
    query = view.query_class.of(request)
    return lambda: view.compute_result(query)


def answering(question: Question, origin: Origin) -> Ask:
    call = answer_of(question)

    def ask() -> float:
        began = time.perf_counter()
        answered = call()
        took = time.perf_counter() - began
        _check(answered.payload["meta"]["source"], origin)
        return took * 1000

    return ask


def requesting(question: Question, origin: Origin) -> Ask:
    expected = "MISS" if origin == "live" else "BYPASS"  # without versions nothing is kept

    def ask() -> float:
        with connections.guarded_client("cache") as redis:
            redis.flushdb()
        began = time.perf_counter()
        response = _client.get(question.url, HTTP_ACCEPT_ENCODING="gzip")
        took = time.perf_counter() - began
        _check(response.headers["X-Cache"], expected)
        _check(response.json()["meta"]["source"], origin)
        return took * 1000

    return ask


@contextmanager
def only(origin: Origin) -> Iterator[None]:
    """For the database the state role's breaker is open: that of an absent Redis, whose socket nobody touches."""
    circuit = connections.breaker("state")
    if origin == "database":
        circuit.record_failure()
    try:
        yield
    finally:
        circuit.record_success()


def _check(found: str, expected: str) -> None:
    if found != expected:
        raise RuntimeError(f"{found!r} where {expected!r} is measured")
