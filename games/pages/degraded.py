"""A page instead of a stack trace when the database is away."""

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

logger = logging.getLogger(__name__)

RETRY_SECONDS = 5
DATABASE_AWAY = (OperationalError, InterfaceError)

View = Callable[..., HttpResponse]


def needs_database(view: View) -> View:
    """503, with what still works, where the view cannot have what it needs."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return view(request, *args, **kwargs)
        except DATABASE_AWAY as error:
            logger.error("database unavailable: %s", type(error).__name__)
            return unavailable(request)

    return guarded


def unavailable(request: HttpRequest) -> HttpResponse:
    response = render(request, "503.html", status=503)
    response["Retry-After"] = str(RETRY_SECONDS)
    return response
