"""The monitoring API at /api/admin/monitoring/cache/: the operations of the admin page, with the same permissions.

Its responses are never cached, and changes are logged (operations.py).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

from django.contrib.auth.models import AbstractUser
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.exceptions import APIException, NotFound, ValidationError
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from cachecore import operations
from cachecore.api.serializers import ClearedSerializer, InvalidatedSerializer, StatsAnswerSerializer, stats_body
from cachecore.redis_client.connections import RedisUnavailable

NO_STORE = {"Cache-Control": "no-store"}


class CacheUnavailable(APIException):
    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    default_detail = "Redis is unavailable. Try again later."


class MayOperate(BasePermission):
    """Require what the admin page requires: staff with the `view` or, for changes, `change` permission of Cache."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        user = cast(AbstractUser, request.user)
        needed = "view" if request.method in SAFE_METHODS else "change"
        return user.is_staff and user.has_perm(f"cachecore.{needed}_cache")


class MonitoringView(APIView):
    permission_classes = [MayOperate]
    required_scope = "monitoring"


class StatsView(MonitoringView):
    @extend_schema(responses=StatsAnswerSerializer)
    def get(self, request: Request) -> Response:
        """Return the cache's statistics over all processes and its server's state. 200 even if Redis is unavailable."""
        _query(request)
        return Response(stats_body(), headers=NO_STORE)


class ClearView(MonitoringView):
    @extend_schema(
        parameters=[OpenApiParameter("family", str, description="Clear this family only.")],
        responses={200: ClearedSerializer},
    )
    def delete(self, request: Request) -> Response:
        """Delete the cached values of one family or of all. Sessions, locks and the live view stay."""
        family = _query(request, "family").get("family")
        with _api_errors():
            cleared = operations.clear(family, by=cast(AbstractUser, request.user))
        return Response({"cleared": cleared}, headers=NO_STORE)


class InvalidateView(MonitoringView):
    @extend_schema(responses={200: InvalidatedSerializer})
    def delete(self, request: Request, tag: str) -> Response:
        """Invalidate every value with a tag, at once and in all processes."""
        _query(request)
        with _api_errors():
            version = operations.invalidate_tag_or_namespace(tag, by=cast(AbstractUser, request.user))
        return Response({"tag": tag, "version": version}, headers=NO_STORE)


def _query(request: Request, *allowed: str) -> dict[str, str]:
    """Return the query's parameters. Raises ValidationError if one is not allowed or is given more than once."""
    errors = {
        name: ["Unknown parameter." if name not in allowed else "Given more than once."]
        for name, values in request.query_params.lists()
        if name not in allowed or len(values) > 1
    }
    if errors:
        raise ValidationError(errors)
    return {name: request.query_params[name] for name in request.query_params}


@contextmanager
def _api_errors() -> Iterator[None]:
    """Turn an operation's exceptions into API errors: 404 for an unknown name, 503 without Redis."""
    try:
        yield
    except operations.UnknownName as error:
        raise NotFound(str(error)) from error
    except RedisUnavailable as error:
        raise CacheUnavailable from error
