"""A page instead of a stack trace when the database is away, after one time-out."""

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
DATABASE_AWAY = (OperationalError, InterfaceError)

View = Callable[..., HttpResponse]


@contextmanager
def one_timeout() -> Iterator[None]:
    """A database that failed once in the block is not asked again in it: the rest fails at once, as it did.

    A page asks a dozen questions, and a database that hangs would cost each of them the time-out.
    """
    database: Any = connections[DEFAULT_DB_ALIAS]
    failed: list[Exception] = []

    def once(ask: Callable[..., Any], *arguments: Any) -> Any:
        if failed:
            raise OperationalError("The database failed a moment ago.") from failed[0]
        try:
            with database.wrap_database_errors:  # while it connects the driver's own errors come here
                return ask(*arguments)
        except DATABASE_AWAY as error:
            failed.append(error)
            raise

    connect = database.connect  # Django wraps statements, but not what opens the connection for them
    database.connect = lambda: once(connect)
    try:
        with database.execute_wrapper(once):
            yield
    finally:
        database.connect = connect


def needs_database(view: View) -> View:
    """503, with what still works, where the view cannot have what it needs."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            with one_timeout():
                return view(request, *args, **kwargs)
        except DATABASE_AWAY as error:
            logger.error("database unavailable: %s", type(error).__name__)
            return unavailable(request)

    return guarded


def unavailable(request: HttpRequest) -> HttpResponse:
    response = render(request, "503.html", status=503)
    response["Retry-After"] = str(RETRY_SECONDS)
    return response
