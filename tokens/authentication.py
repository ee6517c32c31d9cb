"""`Authorization: Token <token>` for Django REST framework."""

from typing import Any

from rest_framework import authentication
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.request import Request

from tokens import services
from tokens.models import AccessToken


class TokenAuthentication(authentication.TokenAuthentication):
    """DRF's scheme over hashed tokens with scopes.

    A view that accepts tokens names the scope as `required_scope`. A view without one accepts none, so that a new view
    is never opened to tokens by an omission.
    """

    def authenticate(self, request: Request) -> tuple[Any, AccessToken] | None:
        credentials: tuple[Any, AccessToken] | None = super().authenticate(request)
        if credentials is not None:
            token = credentials[1]
            _require_scope(token, getattr(request.parser_context.get("view"), "required_scope", None))
            services.note_use(token)
        return credentials

    def authenticate_credentials(self, key: str) -> tuple[Any, AccessToken]:
        token = services.find(key)
        if token is None or not token.user.is_active:
            raise AuthenticationFailed("Invalid or expired token.")
        return token.user, token


def _require_scope(token: AccessToken, scope: str | None) -> None:
    if scope is None:
        raise PermissionDenied("Access tokens are not accepted here.")
    if scope not in token.scopes:
        raise PermissionDenied(f"This token lacks the scope {scope!r}.")
