"""Shared by all analytics endpoints: the view class, the options of key families, the serializers of `meta`."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

from django.http import HttpResponseBase
from django.urls import reverse
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.views import APIView

from analytics.view_settings import conditions
from cachecore.keys import Family
from cachecore.responses.caching import ComputedResult, Policy, cached_response
from cachecore.responses.stored_response import RESPONSE_OPTIONS
from cachecore.responses.times import TimeField
from games.query import Query

# The key family of an endpoint's responses: give it a name, a pattern, `holds` and `written_by` (the view's path).
response_family = partial(
    Family,
    role="cache",
    type="string",
    ttl_seconds=120,
    purged_by="version `analytics`",
    options=replace(RESPONSE_OPTIONS, tier="analytics"),
)


class PublicView(APIView):
    """A public endpoint: it does not authenticate, so its responses never vary by cookie."""

    authentication_classes = []
    throttle_scope = "analytics"


class AnalyticsView(PublicView):
    """Parse the query, compute its result, and cache the response until the next version of the analytics.

    `url_name` is the name of the URL and, with a slash, its path. `compute_result` raises django.db.Error if only the
    database can supply the data and it is unavailable; some also raise ValidationError. `standard_queries` yields the
    query strings that warming computes ahead of the first request.
    """

    url_name: ClassVar[str]
    query_class: ClassVar[type[Query]]
    policy: ClassVar[Policy]
    compute_result: Callable[[Any], ComputedResult]  # a staticmethod
    standard_queries: Callable[[], Iterable[str]] | None = None  # a staticmethod

    def get(self, request: Request) -> HttpResponseBase:
        query = self.query_class.of(request)
        return cached_response(request, self.policy, query.parameters(), lambda: self.compute_result(query))

    @classmethod
    def standard_urls(cls) -> Iterator[str]:
        """Yield the URLs that warming computes ahead of the first request."""
        if cls.standard_queries is not None:
            for query in cls.standard_queries():
                yield f"{reverse(cls.url_name)}{f'?{query}' if query else ''}"


def one_query_per_condition() -> Iterator[str]:
    """Yield, for each configured condition, the query string that asks for its default window."""
    for condition in conditions():
        yield f"{condition.kind}={condition.value}"


class WindowSerializer(serializers.Serializer[Any]):
    kind = serializers.ChoiceField(["games", "hours", "range", "all"])
    requested = serializers.JSONField(help_text="The window as requested: N, H, {since, until} or true.")
    first_game = serializers.IntegerField(allow_null=True)
    last_game = serializers.IntegerField(allow_null=True)
    games = serializers.IntegerField()
    missing_games = serializers.IntegerField(
        allow_null=True, help_text="Ids between the first and the last game that have no record."
    )
    complete = serializers.BooleanField(help_text="False if the data do not reach back to the start of the window.")

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """Add `from` and `to` here, because `from` is a keyword of Python."""
        return super().get_fields() | {"from": TimeField(allow_null=True), "to": TimeField(allow_null=True)}


class MetaSerializer(serializers.Serializer[Any]):
    version = serializers.IntegerField(allow_null=True)
    epoch = serializers.CharField(allow_null=True)
    generated_at = TimeField()
    timezone = serializers.CharField()
    window = WindowSerializer()

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """Add `source` here, because every field already has an attribute of that name."""
        return super().get_fields() | {"source": serializers.ChoiceField(["live", "database"])}


def response_of(result: type[serializers.Serializer[Any]]) -> type[serializers.Serializer[Any]]:
    """Return the serializer of a whole response: `meta` and a list of results."""
    name = result.__name__.removesuffix("Serializer") + "AnswerSerializer"  # part of the published schema
    return type(name, (serializers.Serializer,), {"meta": MetaSerializer(), "results": result(many=True)})
