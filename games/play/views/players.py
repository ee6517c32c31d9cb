"""A player: seeds, guest account, limits."""

from typing import Any

from django.contrib.auth import login
from django.contrib.auth.models import User
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.authentication import SessionAuthentication
from rest_framework.request import Request
from rest_framework.response import Response

from cachecore.rate_limits import callers
from games.play.currencies import CURRENCIES, FUN
from games.play.models import LimitKind, Player
from games.play.money import MAX_E4, parse_e4
from games.play.selectors.configuration import find_offer
from games.play.selectors.players import player_limits
from games.play.serializers.players import (
    ClientSeedOrderSerializer,
    GuestOrderSerializer,
    GuestSerializer,
    LimitChangesSerializer,
    LimitsSerializer,
    SeedsSerializer,
)
from games.play.services.guests import create_guest
from games.play.services.limits import LimitChanges, change_limits
from games.play.services.seeds import set_client_seed, show_seeds
from games.play.views.base import PlayView, PublicView
from games.query import Query, ZoneQuery

BACKEND = "django.contrib.auth.backends.ModelBackend"


class SeedsView(PlayView):
    """The commitment, the client seed and the nonce of the next bet."""

    error_statuses = {"PUT": [409]}

    @extend_schema(operation_id="play_seeds", parameters=[ZoneQuery], responses=SeedsSerializer)
    def get(self, request: Request) -> Response:
        with timezone.override(ZoneQuery.of(request).zone):
            return Response(SeedsSerializer(show_seeds(caller=self.caller)).data)

    @extend_schema(operation_id="play_set_client_seed", request=ClientSeedOrderSerializer, responses=SeedsSerializer)
    def put(self, request: Request) -> Response:
        """Set the client seed of the next bet, after its commitment was shown."""
        body = self.validated(request, ClientSeedOrderSerializer)
        return Response(SeedsSerializer(set_client_seed(caller=self.caller, client_seed=body["client_seed"])).data)


class GuestView(PublicView):
    """A guest account for this browser: play money, no password."""

    @extend_schema(
        operation_id="play_guest",
        request=GuestOrderSerializer,
        responses={200: GuestSerializer, 201: GuestSerializer},
    )
    def post(self, request: Request) -> Response:
        """Make a guest and log in. A caller who is logged in already keeps the account."""
        self.validated(request, GuestOrderSerializer)
        if isinstance(request.user, User):
            return Response(GuestSerializer(_account(request.user)).data)
        SessionAuthentication().enforce_csrf(request)  # DRF checks it for logged-in callers only
        user = create_guest(address=callers.of_request(request._request) or callers.UNKNOWN_PROXY)
        login(request._request, user, BACKEND)
        return Response(GuestSerializer(_account(user)).data, status.HTTP_201_CREATED)


class LimitsQuery(Query):
    currency = serializers.CharField(max_length=3, default=FUN)


class LimitsView(PlayView):
    """The limits that the caller has set."""

    error_statuses = {"PUT": [409]}

    @extend_schema(operation_id="play_limits", parameters=[LimitsQuery], responses=LimitsSerializer)
    def get(self, request: Request) -> Response:
        query = LimitsQuery.of(request)
        with timezone.override(query.zone):
            return self._limits(query.validated_data["currency"])

    @extend_schema(operation_id="play_set_limits", request=LimitChangesSerializer, responses=LimitsSerializer)
    def put(self, request: Request) -> Response:
        """Change limits. A stricter one applies at once, a looser one after 24 hours."""
        body = self.validated(request, LimitChangesSerializer)
        currency = body.pop("currency", FUN)
        find_offer(self.caller.agent, currency)
        change_limits(user=self.caller.user, changes=_changes(currency, body))
        return self._limits(currency)

    def _limits(self, currency: str) -> Response:
        find_offer(self.caller.agent, currency)
        return Response(LimitsSerializer(player_limits(self.caller.user, currency)).data)


KINDS = {
    "stake_per_day": LimitKind.STAKE,
    "loss_per_day": LimitKind.LOSS,
    "minutes_per_day": LimitKind.MINUTES,
}


def _changes(currency: str, body: dict[str, Any]) -> LimitChanges:
    values = {kind: _value(name, currency, body[name]) for name, kind in KINDS.items() if name in body}
    return LimitChanges(currency, values, body.get("pause_until"), body.get("self_exclusion_until"))


def _value(name: str, currency: str, given: str | int | None) -> int | None:
    """Return minutes as they are, and an amount in ten-thousandths. Raise ValidationError if it does not fit."""
    if given is None or isinstance(given, int):
        return given
    try:
        amount_e4 = parse_e4(given, CURRENCIES[currency].decimals)
    except ValueError as error:
        raise serializers.ValidationError({name: [str(error)]}) from error
    return min(amount_e4, MAX_E4)


def _account(user: User) -> dict[str, Any]:
    return {
        "username": user.username,
        "agent": "house",
        "is_guest": Player.objects.filter(pk=user.pk, is_guest=True).exists(),
    }
