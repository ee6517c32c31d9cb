"""One shape for every error: `{"detail": "...", "errors": {"field": ["reason"]}}`, the status says the kind."""

import logging
import sys
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from django.views import defaults
from rest_framework import status
from rest_framework.exceptions import APIException, ParseError, ValidationError
from rest_framework.response import Response
from rest_framework.views import exception_handler as drf_exception_handler

from analytics.table.large_reads import TableBusy
from games.pages.degraded import DATABASE_AWAY, RETRY_SECONDS, unavailable

logger = logging.getLogger(__name__)


class DatabaseUnavailable(APIException):
    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    default_detail = "The database does not answer now."


class Busy(APIException):
    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    default_detail = "Too many questions about all games at once; ask again."
    wait = 5  # DRF's name for Retry-After


class BodyTooLarge(APIException):
    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_detail = "The request body is larger than 2 MB."


def exception_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF EXCEPTION_HANDLER. None (an unexpected error) becomes Django's 500, which is logged with its stack."""
    if isinstance(error, DATABASE_AWAY):
        logger.error("database unavailable: %s", error.__class__.__name__)
        error = DatabaseUnavailable()
    elif isinstance(error, TableBusy):
        error = Busy()
    elif isinstance(error, RecursionError):
        error = ParseError("The JSON is nested too deeply.")
    elif isinstance(error, RequestDataTooBig):
        error = BodyTooLarge()
    response = drf_exception_handler(error, context)
    if response is None:
        return None
    if isinstance(error, ValidationError):
        response.data = {"detail": "Invalid input.", "errors": _by_field(error.detail)}
    if isinstance(error, DatabaseUnavailable):
        response["Retry-After"] = str(RETRY_SECONDS)
    return response


def _by_field(detail: Any) -> Any:
    """DRF speaks of a list where no field is to blame; ours is always a mapping."""
    return {"non_field_errors": detail} if isinstance(detail, list) else detail


def _wants_json(request: HttpRequest) -> bool:
    return request.path.startswith("/api/")


def _database_away(request: HttpRequest) -> HttpResponseBase:
    if not _wants_json(request):
        return unavailable(request)
    answer = {"detail": DatabaseUnavailable.default_detail}
    return JsonResponse(answer, status=503, headers={"Retry-After": str(RETRY_SECONDS)})


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    if not _wants_json(request):
        return defaults.bad_request(request, exception)
    return JsonResponse({"detail": "The request could not be read."}, status=400)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    if not _wants_json(request):
        return defaults.page_not_found(request, exception)
    return JsonResponse({"detail": "Not found."}, status=404)


def server_error(request: HttpRequest) -> HttpResponseBase:
    """Django calls it while it handles the error: the admin and its sessions cannot do without the database."""
    if isinstance(sys.exception(), DATABASE_AWAY):
        return _database_away(request)
    if not _wants_json(request):
        return defaults.server_error(request)
    return JsonResponse({"detail": "The server could not answer; the error is logged."}, status=500)
