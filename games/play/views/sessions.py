"""Playing a bet: the session, steps and the cash-out."""

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from games.play.selectors.sessions import current_session, session_of
from games.play.serializers.sessions import CashOutSerializer, SessionSerializer, StepSerializer
from games.play.services.playing import cash_out, take_step
from games.play.views.base import PlayView, respond
from games.play.views.parameters import IDEMPOTENCY_KEY
from games.query import ZoneQuery


class SessionView(PlayView):
    """The open bet, else the newest ended one."""

    error_statuses = {"GET": [404]}

    @extend_schema(operation_id="play_session", parameters=[ZoneQuery], responses=SessionSerializer)
    def get(self, request: Request) -> Response:
        with timezone.override(ZoneQuery.of(request).zone):
            return Response(SessionSerializer(current_session(self.caller)).data)


class StepView(PlayView):
    """Take a step. Repeating the last one changes nothing and has the same answer."""

    error_statuses = {"POST": [404, 409]}

    @extend_schema(operation_id="play_step", request=StepSerializer, responses=SessionSerializer)
    def post(self, request: Request) -> Response:
        body = self.validated(request, StepSerializer)
        bet = take_step(caller=self.caller, bet_id=body["bet_id"], step=body["step"])
        return Response(SessionSerializer(session_of(bet)).data)


class CashOutView(PlayView):
    """Cash out at the coefficient reached."""

    error_statuses = {"POST": [404, 409, 422]}

    @extend_schema(
        operation_id="play_cashout",
        parameters=[IDEMPOTENCY_KEY],
        request=CashOutSerializer,
        responses=SessionSerializer,
    )
    def post(self, request: Request) -> Response:
        body = self.validated(request, CashOutSerializer)
        return respond(cash_out(caller=self.caller, bet_id=body["bet_id"], request=self.request_key(request)))
