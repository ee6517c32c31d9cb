"""Call a view of this process as a request would, without the ASGI middleware, Django's middleware and rate limits."""

import io
from collections.abc import Mapping
from typing import Any

from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpResponse
from django.urls import resolve

from cachecore.read_through.request import is_internal_request


def call_view(url: str, zone: str = "", environ: Mapping[str, Any] | None = None) -> HttpResponse:
    """Return the view's response to a GET request. Raises Http404, and what the view raises.

    `environ` adds entries that no client can set.
    """
    path, _, query = url.partition("?")
    match = resolve(path)
    request = WSGIRequest(
        {
            "REQUEST_METHOD": "GET",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(),
            **({"HTTP_X_TIMEZONE": zone} if zone else {}),
            **(environ or {}),
        }
    )
    token = is_internal_request.set(True)
    try:
        response: HttpResponse = match.func(request, *match.args, **match.kwargs)
    finally:
        is_internal_request.reset(token)
    return response
