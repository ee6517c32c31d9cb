"""The state of the live view compared with the games table. Not cached, and not part of the registry."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from analytics import selectors
from analytics.endpoints.base import PublicView
from cachecore.responses.times import TimeField
from games.query import ZoneQuery


class LastRunSerializer(serializers.Serializer[Any]):
    started_at = TimeField()
    finished_at = TimeField()
    outcome = serializers.ChoiceField(["done", "failed"])
    result = serializers.JSONField(allow_null=True)


class DriftSerializer(serializers.Serializer[Any]):
    found = serializers.IntegerField(help_text="Games and cells that differed from the table.")
    repaired = serializers.IntegerField()


class StatusSerializer(serializers.Serializer[Any]):
    site = serializers.CharField()
    conditions = serializers.ListField(child=serializers.CharField())
    newest_game = serializers.IntegerField(allow_null=True, help_text="In the table.")
    view = serializers.ChoiceField(["current", "behind", "absent", "unavailable"])
    version = serializers.IntegerField(allow_null=True)
    epoch = serializers.CharField(allow_null=True)
    built_at = TimeField(allow_null=True)
    applied_games = serializers.IntegerField(allow_null=True)
    applied_head = serializers.IntegerField(allow_null=True)
    lag_ms = serializers.IntegerField(
        allow_null=True, help_text="For how long the oldest game that the view lacks has been recorded."
    )
    pending = serializers.IntegerField(allow_null=True)
    last_reconcile = LastRunSerializer(allow_null=True)
    last_full_reconcile = LastRunSerializer(allow_null=True)
    drift = DriftSerializer(allow_null=True, help_text="Since the counters began.")


class StatusView(PublicView):
    """The state of the live view. Never cached: it says how far behind the cached responses may be."""

    @extend_schema(parameters=[ZoneQuery], responses=StatusSerializer)
    def get(self, request: Request) -> Response:
        with timezone.override(ZoneQuery.of(request).zone):
            status = StatusSerializer(selectors.status()).data
        return Response(status, headers={"X-Cache": "BYPASS", "Cache-Control": "no-store"})
