"""GET and DELETE /api/admin/monitoring/cache/...: for whom the admin page is, never cached, changes logged
(operations.py)."""

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

NOT_KEPT = {"Cache-Control": "no-store"}


class CacheUnavailable(APIException):
    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    default_detail = "Redis does not answer now."


class MayOperate(BasePermission):
    """As on the admin page: seeing needs the `view` permission of `cachecore.Cache`, doing its `change` permission."""

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
        """What the cache does, over all processes, and how its server is. 200 also while Redis is away."""
        _query(request)
        return Response(stats_body(), headers=NOT_KEPT)


class ClearView(MonitoringView):
    @extend_schema(
        parameters=[OpenApiParameter("family", str, description="Only this family.")],
        responses={200: ClearedSerializer},
    )
    def delete(self, request: Request) -> Response:
        """Delete the cached answers of a family, or of all; sessions, locks and the live view stay."""
        family = _query(request, "family").get("family")
        with _told():
            cleared = operations.clear(family, by=cast(AbstractUser, request.user))
        return Response({"cleared": cleared}, headers=NOT_KEPT)


class InvalidateView(MonitoringView):
    @extend_schema(responses={200: InvalidatedSerializer})
    def delete(self, request: Request, tag: str) -> Response:
        """Make everything that hangs on a tag cold, at once and for every process."""
        _query(request)
        with _told():
            version = operations.invalidate_tag_or_namespace(tag, by=cast(AbstractUser, request.user))
        return Response({"tag": tag, "version": version}, headers=NOT_KEPT)


def _query(request: Request, *known: str) -> dict[str, str]:
    """Each parameter known and given once. Raises ValidationError."""
    errors = {
        name: ["Unknown parameter." if name not in known else "Given more than once."]
        for name, values in request.query_params.lists()
        if name not in known or len(values) > 1
    }
    if errors:
        raise ValidationError(errors)
    return {name: request.query_params[name] for name in request.query_params}


@contextmanager
def _told() -> Iterator[None]:
    """What an operation refuses, as the API tells it."""
    try:
        yield
    except operations.UnknownName as error:
        raise NotFound(str(error)) from error
    except RedisUnavailable as error:
        raise CacheUnavailable from error
