"""Bets: placing one, the history, and the proof of each."""

from typing import Any
from urllib.parse import urlencode

from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from games.play.models import State
from games.play.selectors.histories import BetPage, Position, bet_page
from games.play.selectors.sessions import find_bet
from games.play.selectors.verification import verification_of
from games.play.serializers.bets import BetPageSerializer, BetSerializer, BetVerificationSerializer
from games.play.serializers.fields import MAX_BIGINT
from games.play.serializers.sessions import BetOrderSerializer, SessionSerializer
from games.play.services.betting import BetOrder, place_bet
from games.play.views.base import PlayView, respond
from games.play.views.parameters import IDEMPOTENCY_KEY
from games.query import Query, WholeField, ZoneQuery

BET_ID = OpenApiParameter("bet_id", OpenApiTypes.INT64, OpenApiParameter.PATH)


class BetsQuery(Query):
    """A page by its number, or beside a bet."""

    page = WholeField(min_value=1, max_value=1_000, required=False)
    per_page = WholeField(min_value=1, max_value=100, default=10)
    before_id = WholeField(min_value=1, max_value=MAX_BIGINT, required=False, help_text="Only older bets.")
    after_id = WholeField(min_value=0, max_value=MAX_BIGINT, required=False, help_text="Only newer bets.")
    status = serializers.ChoiceField(State.choices, required=False)

    def validate(self, values: dict[str, Any]) -> dict[str, Any]:
        given = [name for name in ("page", "before_id", "after_id") if name in values]
        if len(given) > 1:
            raise serializers.ValidationError({name: ["Give one of page, before_id and after_id."] for name in given})
        return values

    @property
    def position(self) -> Position:
        names = ("page", "before_id", "after_id")
        return Position(**{name: self.validated_data[name] for name in names if name in self.validated_data})

    def link(self, **cursor: int | None) -> str | None:
        """Return a relative link with the same parameters, or None without a cursor."""
        if None in cursor.values():
            return None
        given = {name: self.initial_data[name] for name in ("per_page", "status", "tz") if name in self.initial_data}
        return "?" + urlencode({**given, **cursor})


class BetsView(PlayView):
    """The caller's bets with this agent, newest first; POST places one."""

    error_statuses = {"POST": [409, 422, 502]}

    @extend_schema(operation_id="play_bets", parameters=[BetsQuery], responses=BetPageSerializer)
    def get(self, request: Request) -> Response:
        query = BetsQuery.of(request)
        values = query.validated_data
        states = [values["status"]] if "status" in values else []
        page = bet_page(self.caller, states=states, position=query.position, per_page=values["per_page"])
        with timezone.override(query.zone):
            return Response(BetPageSerializer(_shown(page, query)).data)

    @extend_schema(
        operation_id="play_place_bet",
        parameters=[IDEMPOTENCY_KEY],
        request=BetOrderSerializer,
        responses={201: SessionSerializer},
    )
    def post(self, request: Request) -> Response:
        """Place a bet. A 409 for a bet that is open has its session."""
        order = self.validated(request, BetOrderSerializer)
        order["commitment"] = order.pop("hashed_server_seed", None)
        return respond(place_bet(caller=self.caller, order=BetOrder(**order), request=self.request_key(request)))


class BetView(PlayView):
    @extend_schema(operation_id="play_bet", parameters=[BET_ID, ZoneQuery], responses=BetSerializer)
    def get(self, request: Request, bet_id: int) -> Response:
        with timezone.override(ZoneQuery.of(request).zone):
            return Response(BetSerializer(find_bet(self.caller, bet_id)).data)


class VerificationView(PlayView):
    """Everything that decided a bet; docs/fairness.md says how to check it."""

    @extend_schema(
        operation_id="play_verification", parameters=[BET_ID, ZoneQuery], responses=BetVerificationSerializer
    )
    def get(self, request: Request, bet_id: int) -> Response:
        with timezone.override(ZoneQuery.of(request).zone):
            return Response(BetVerificationSerializer(verification_of(find_bet(self.caller, bet_id))).data)


def _shown(page: BetPage, query: BetsQuery) -> dict[str, Any]:
    return {
        "count": page.count,
        "count_is_exact": True,
        "page": page.page,
        "per_page": page.per_page,
        "pages": page.pages,
        "next": query.link(before_id=page.older),
        "previous": query.link(after_id=page.newer),
        "results": page.bets,
    }
