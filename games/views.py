"""The games API: thin views over selectors and services."""

from collections.abc import Sequence
from typing import Any

from django.http import HttpResponseBase, StreamingHttpResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, PolymorphicProxySerializer, extend_schema
from rest_framework import status
from rest_framework.authentication import BaseAuthentication
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from cachecore.responses.caching import ComputedResult, Policy, cached_response
from games import keys, selectors
from games.export import CONTENT_TYPES, Format, export_games
from games.filters import ExportQuery, GamesQuery
from games.query import EmptyQuery, ZoneQuery
from games.rounds import Round
from games.serializers import (
    MAX_INGESTED,
    GamePageSerializer,
    GameSerializer,
    RecordedSerializer,
    RoundSerializer,
    VerificationSerializer,
)
from games.services import RejectedRounds, record_games

LIST = Policy(family=keys.GAMES_LIST, namespace=keys.GAMES)
SINGLE = Policy(family=keys.GAMES_SINGLE, namespace=keys.GAMES)
VERIFICATION = Policy(family=keys.GAMES_VERIFICATION, namespace=keys.GAMES)

ROUNDS = PolymorphicProxySerializer(
    component_name="Rounds",
    serializers=[RoundSerializer, RoundSerializer(many=True)],
    resource_type_field_name=None,
    many=False,
)
GAME_ID = OpenApiParameter("game_id", OpenApiTypes.INT64, OpenApiParameter.PATH)


class MayIngest(BasePermission):
    """Allow reads to everybody. Writes require the permission that `create_ingest_token` grants."""

    def has_permission(self, request: Request, view: Any) -> bool:
        if request.method in SAFE_METHODS or view.action is None:  # None: the method is not allowed, a 405
            return True
        return bool(request.user.has_perm("games.ingest_games"))


class GameViewSet(ViewSet):
    """Games as recorded, newest first."""

    permission_classes = [MayIngest]
    throttle_scope, write_throttle_scope = "games", "ingest"
    required_scope = "ingest"
    lookup_field = "game_id"
    lookup_value_regex = "[0-9]{1,20}"

    def get_authenticators(self) -> list[BaseAuthentication]:
        """Return no authenticators for reads, which are public, so that responses never vary by cookie."""
        return [] if self.request is not None and self.request.method in SAFE_METHODS else super().get_authenticators()

    @extend_schema(parameters=[GamesQuery], responses=GamePageSerializer)
    def list(self, request: Request) -> HttpResponseBase:
        query = GamesQuery.of(request)
        return cached_response(request, LIST, query.parameters(), lambda: ComputedResult(selectors.game_page(query)))

    @extend_schema(parameters=[GAME_ID, ZoneQuery], responses=GameSerializer)
    def retrieve(self, request: Request, game_id: str) -> HttpResponseBase:
        query, number = ZoneQuery.of(request), int(game_id)

        def compute() -> ComputedResult:
            with timezone.override(query.zone):
                return ComputedResult(GameSerializer(selectors.game(number)).data)

        return cached_response(request, SINGLE, [("id", number), *query.parameters()], compute)

    @extend_schema(parameters=[GAME_ID, ZoneQuery], responses=VerificationSerializer)
    @action(detail=True)
    def verification(self, request: Request, game_id: str) -> HttpResponseBase:
        query, number = ZoneQuery.of(request), int(game_id)

        def compute() -> ComputedResult:
            return ComputedResult(selectors.verification(selectors.game(number)))

        return cached_response(request, VERIFICATION, [("id", number), *query.parameters()], compute)

    @extend_schema(
        parameters=[ExportQuery], responses={(200, type_): OpenApiTypes.STR for type_ in CONTENT_TYPES.values()}
    )
    @action(detail=False)
    def export(self, request: Request) -> HttpResponseBase:
        """Stream all games that the filters select as a file. The response is never cached."""
        query = ExportQuery.of(request)
        format_: Format = query.validated_data["format"]
        parts = export_games(query.filtered(), format_, query.zone)
        headers = {
            "Content-Disposition": f'attachment; filename="games.{format_}"',
            "X-Cache": "BYPASS",
            "Cache-Control": "no-store",
        }
        return StreamingHttpResponse(parts, content_type=CONTENT_TYPES[format_], headers=headers)

    @extend_schema(request=ROUNDS, responses={200: RecordedSerializer, 201: RecordedSerializer})
    def create(self, request: Request) -> Response:
        """Record one game, or a list of up to 1,000. Idempotent by `game_id`; all games are recorded or none."""
        EmptyQuery().reject_unknown_parameters(request)
        rounds = _rounds(request.data)
        try:
            recorded = record_games(rounds, source=f"api {request.user.get_username()}"[:64])
        except RejectedRounds as error:
            raise ValidationError({str(position): why for position, why in error.errors.items()}) from error
        counts = {name: len(getattr(recorded, name)) for name in ("created", "updated", "unchanged")}
        return Response(counts, status.HTTP_201_CREATED if recorded.created else status.HTTP_200_OK)


def _rounds(data: Any) -> Sequence[Round]:
    items = data if isinstance(data, list) else [data]
    if not 1 <= len(items) <= MAX_INGESTED:
        raise ValidationError({"games": [f"Expected 1 to {MAX_INGESTED} games, got {len(items)}."]})
    serializers = [RoundSerializer(data=item) for item in items]
    errors = {str(i): item.errors for i, item in enumerate(serializers) if not item.is_valid()}
    if errors:
        raise ValidationError(errors)
    return [Round(**item.validated_data) for item in serializers]
