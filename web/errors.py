"""Django's handler400, handler404 and handler500: error pages, and the same errors as JSON under /api/."""

import sys

from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from django.views import defaults

from web.database_unavailable import DATABASE_UNAVAILABLE_ERRORS, RETRY_SECONDS, database_unavailable_page

DATABASE_DETAIL = "The database is unavailable. Try again later."


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    if not _wants_json(request):
        return defaults.bad_request(request, exception)
    return JsonResponse({"detail": "The request could not be read."}, status=400)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    if not _wants_json(request):
        return defaults.page_not_found(request, exception)
    return JsonResponse({"detail": "Not found."}, status=404)


def server_error(request: HttpRequest) -> HttpResponseBase:
    """Respond with 503 if the database is unavailable, else with 500. Django calls it while it handles the exception.

    The admin and its sessions cannot work without the database, so its errors arrive here.
    """
    if isinstance(sys.exception(), DATABASE_UNAVAILABLE_ERRORS):
        return _database_unavailable(request)
    if not _wants_json(request):
        return defaults.server_error(request)
    return JsonResponse({"detail": "Internal server error. It has been logged."}, status=500)


def _database_unavailable(request: HttpRequest) -> HttpResponseBase:
    if not _wants_json(request):
        return database_unavailable_page(request)
    return JsonResponse({"detail": DATABASE_DETAIL}, status=503, headers={"Retry-After": str(RETRY_SECONDS)})


def _wants_json(request: HttpRequest) -> bool:
    """Return True under /api/, also after repeated slashes: clients join a base URL that ends in one with a path."""
    return f"/{request.path.lstrip('/')}".startswith("/api/")
