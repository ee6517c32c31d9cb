"""Give all errors of the API the same shape: `{"detail": "...", "errors": {"field": ["reason"]}}`."""

import logging
from typing import Any

from django.core.exceptions import RequestDataTooBig
from rest_framework import status
from rest_framework.exceptions import APIException, ParseError, ValidationError
from rest_framework.response import Response
from rest_framework.views import exception_handler as drf_exception_handler

from analytics.database.large_reads import TableBusy
from web.database_unavailable import DATABASE_UNAVAILABLE_ERRORS, RETRY_SECONDS
from web.errors import DATABASE_DETAIL

logger = logging.getLogger(__name__)


class DatabaseUnavailable(APIException):
    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    default_detail = DATABASE_DETAIL


class TooManyLargeReads(APIException):
    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    default_detail = "Too many requests over all games are running. Try again in a few seconds."
    wait = 5  # seconds; DRF sends this attribute as Retry-After


class BodyTooLarge(APIException):
    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_detail = "The request body is larger than 2 MB."


def exception_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """Return the response for an error; DRF calls this as EXCEPTION_HANDLER.

    None means an unexpected error, for which Django returns a 500 and logs the stack.
    """
    if isinstance(error, DATABASE_UNAVAILABLE_ERRORS):
        logger.error("database unavailable: %s", error.__class__.__name__)
        error = DatabaseUnavailable()
    elif isinstance(error, TableBusy):
        error = TooManyLargeReads()
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
    """Return the reasons by field. DRF uses a list if they concern no single field; ours is always a mapping."""
    return {"non_field_errors": detail} if isinstance(detail, list) else detail
