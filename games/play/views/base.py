"""What every view of the step game shares: the caller, errors with a code, and the rate limit."""

from typing import Any, TypeVar

from django.contrib.auth.models import User
from rest_framework.exceptions import APIException, ErrorDetail
from rest_framework.permissions import AllowAny, BasePermission, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from games.play.authentication import agent_of
from games.play.callers import Caller
from games.play.errors import KeyRequired, PlayError
from games.play.models import Agent
from games.play.serializers.errors import PlayErrorSerializer, error_body
from games.play.services.idempotency import Answer, RequestKey, request_key
from games.query import EmptyQuery

FIELD_CODES = {"amount": "invalid_bet_amount", "currency": "invalid_currency", "difficulty": "invalid_difficulty"}
STATUS_CODES = {400: "validation_failed", 413: "body_too_large", 503: "unavailable"}

KEY_HEADER = "Idempotency-Key"
MAX_KEY = 255

Serializer = TypeVar("Serializer")


class PlayView(APIView):
    """A view for a player. `caller` is the user with the agent that the credential carries."""

    permission_classes: list[type[BasePermission]] = [IsAuthenticated]
    required_scope = "play"
    throttle_scope = write_throttle_scope = "play"
    requires_login = True  # for OpenAPI, as are the next two
    error_serializer = PlayErrorSerializer
    error_statuses: dict[str, list[int]] = {}

    @property
    def caller(self) -> Caller:
        user = self.request.user
        if not isinstance(user, User):
            raise TypeError("The view lets in callers who are not authenticated.")
        return Caller(user, self.agent)

    @property
    def agent(self) -> Agent:
        return agent_of(self.request._request, self.request.auth)

    def handle_exception(self, exc: Exception) -> Response:
        if isinstance(exc, PlayError):
            response = Response(error_body(exc), exc.status)
            response.exception = True
            if exc.retry_after is not None:
                response["Retry-After"] = str(exc.retry_after)
            return response
        response = super().handle_exception(exc)
        response.data["code"] = _code(exc, response)
        return response

    def validated(self, request: Request, serializer: Any) -> dict[str, Any]:
        """Return the body of a request without query. Raise ValidationError."""
        EmptyQuery().reject_unknown_parameters(request)
        body = serializer(data=request.data)
        body.is_valid(raise_exception=True)
        return dict(body.validated_data)

    def request_key(self, request: Request) -> RequestKey:
        """Return the Idempotency-Key with the fingerprint of this request. Raise KeyRequired."""
        key = request.headers.get(KEY_HEADER, "")
        if not 1 <= len(key) <= MAX_KEY or not key.isascii() or not key.isprintable():
            raise KeyRequired
        return request_key(self.caller, key, method=str(request.method), path=request.path, body=request.data)


class PublicView(PlayView):
    """A view for everybody. A credential still decides the agent."""

    permission_classes = [AllowAny]
    requires_login = False


def respond(answer: Answer) -> Response:
    headers = {"Idempotent-Replayed": "true"} if answer.replayed else None
    return Response(answer.body, answer.status, headers=headers)


def _code(error: Exception, response: Response) -> str:
    """Return the code of an error that is not ours: by its first field, by itself, or by its status."""
    for field in response.data.get("errors", ()):
        if field in FIELD_CODES:
            return FIELD_CODES[field]
    detail = getattr(error, "detail", None)
    if isinstance(detail, ErrorDetail) and str(detail).startswith("CSRF"):
        return "csrf_failed"
    own = error.get_codes() if isinstance(error, APIException) else None
    if isinstance(own, str) and own not in ("error", "invalid"):
        return own
    return STATUS_CODES.get(response.status_code, "error")
