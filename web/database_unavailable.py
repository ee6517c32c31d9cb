"""A page instead of a stack trace when the database is unavailable, after one timeout at most."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

from django.db import DEFAULT_DB_ALIAS, InterfaceError, OperationalError, connections
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

logger = logging.getLogger(__name__)

RETRY_SECONDS = 5
DATABASE_UNAVAILABLE_ERRORS = (OperationalError, InterfaceError)

View = Callable[..., HttpResponse]


@contextmanager
def at_most_one_timeout() -> Iterator[None]:
    """After the first database error in this block, raise the error at once for every further query in it.

    A page runs a dozen queries, and a database that hangs would cost each of them the timeout.
    """
    database: Any = connections[DEFAULT_DB_ALIAS]
    failures: list[Exception] = []

    def fail_fast(execute: Callable[..., Any], *arguments: Any) -> Any:
        if failures:
            raise OperationalError("The database failed a moment ago.") from failures[0]
        try:
            with database.wrap_database_errors:  # opening a connection raises the driver's own errors here
                return execute(*arguments)
        except DATABASE_UNAVAILABLE_ERRORS as error:
            failures.append(error)
            raise

    connect = database.connect  # Django wraps statements, but not what opens the connection for them
    database.connect = lambda: fail_fast(connect)
    try:
        with database.execute_wrapper(fail_fast):
            yield
    finally:
        database.connect = connect


def requires_database(view: View) -> View:
    """Decorate a view that cannot work without the database: respond with the 503 page while it is unavailable."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            with at_most_one_timeout():
                return view(request, *args, **kwargs)
        except DATABASE_UNAVAILABLE_ERRORS as error:
            logger.error("database unavailable: %s", type(error).__name__)
            return database_unavailable_page(request)

    return guarded


def database_unavailable_page(request: HttpRequest) -> HttpResponse:
    """Return the 503 page, which lists what still works."""
    response = render(request, "503.html", status=503)
    response["Retry-After"] = str(RETRY_SECONDS)
    return response
