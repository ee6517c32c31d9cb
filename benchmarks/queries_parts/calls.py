"""Run a query uncached from the live view or from the database, as a computation or as a whole request.

A computation is the endpoint's function alone, from the validated query to the payload. A request includes all of
Django, through its test client: middleware, routing, validation, limits, the miss in the cache, JSON, gzip, the write.
"""

import gzip
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

from django.http import HttpResponseBase
from django.test import Client, RequestFactory
from django.urls import resolve
from rest_framework.request import Request

from analytics.endpoints.base import AnalyticsView
from benchmarks.queries_parts.cases import QueryCase
from cachecore.redis_client import connections
from cachecore.responses.caching import ComputedResult

Source = Literal["live", "database"]
TimedCall = Callable[[], float]  # runs once and returns the time in ms

_client = Client(SERVER_NAME="127.0.0.1")


def computation_of(case: QueryCase) -> Callable[[], ComputedResult]:
    """Return a function that computes the result of a query."""
    request = Request(RequestFactory().get(case.url))
    view: type[AnalyticsView] = resolve(request.path).func.view_class  # type: ignore[attr-defined]
    query = view.query_class.of(request)
    return lambda: view.compute_result(query)


def timed_computation(case: QueryCase, source: Source) -> TimedCall:
    """Return a timed call of the computation alone."""
    call = computation_of(case)

    def run() -> float:
        began = time.perf_counter()
        result = call()
        took = time.perf_counter() - began
        _check(result.payload["meta"]["source"], source)
        return took * 1000

    return run


def timed_request(case: QueryCase, source: Source) -> TimedCall:
    """Return a timed request through Django."""
    expected = "MISS" if source == "live" else "BYPASS"  # without versions nothing is stored

    def run() -> float:
        with connections.guarded_client("cache") as redis:
            redis.flushdb()
        began = time.perf_counter()
        response = _client.get(case.url, HTTP_ACCEPT_ENCODING="gzip")
        took = time.perf_counter() - began
        _check(response.headers["X-Cache"], expected)
        _check(json.loads(_body(response))["meta"]["source"], source)
        return took * 1000

    return run


@contextmanager
def forced_source(source: Source) -> Iterator[None]:
    """Force the source of results. For the database, the circuit breaker of the state role is open."""
    circuit = connections.breaker("state")
    if source == "database":
        circuit.record_failure()
    try:
        yield
    finally:
        circuit.record_success()


def _body(response: HttpResponseBase) -> bytes:
    """Return the body without its gzip encoding."""
    content: bytes = response.content  # type: ignore[attr-defined]
    return gzip.decompress(content) if response.headers.get("Content-Encoding") == "gzip" else content


def _check(found: str, expected: str) -> None:
    if found != expected:
        raise RuntimeError(f"{found!r} where {expected!r} is measured")
