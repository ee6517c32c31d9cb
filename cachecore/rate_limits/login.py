"""Limit attempts to log in to the admin, per pair of address and username, against the guessing of passwords."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse
from rest_framework.throttling import BaseThrottle

from cachecore.rate_limits import callers
from cachecore.rate_limits.headers import RETRY_SECONDS, rate_limit_headers
from cachecore.rate_limits.scopes import LimitsUnavailable, charge
from cachecore.rate_limits.windows import Quota

SCOPE = "login"
LOGIN_VIEWS = frozenset({"admin:login"})


class LoginThrottle:
    """Django middleware after CsrfViewMiddleware, so that only login forms with a valid CSRF token are counted.

    Only a middleware can send a 429 before a password is hashed, and it does not depend on how the site logs users in.
    So this is neither a login form nor an authentication backend.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self._get_response(request)
        quota: Quota | None = getattr(request, "login_quota", None)
        if quota is not None:
            for name, value in rate_limit_headers(quota).items():
                response[name] = value
        return response

    def process_view(self, request: HttpRequest, view: object, args: Any, kwargs: Any) -> HttpResponse | None:
        if request.method != "POST" or not _is_login(request):
            return None
        try:
            quota = charge(SCOPE, _identity(request))
        except LimitsUnavailable:
            return _refusal(503, "Logging in is not possible now.", RETRY_SECONDS)
        request.login_quota = quota  # type: ignore[attr-defined]
        if quota is None or quota.allowed:
            return None
        return _refusal(429, "Too many attempts to log in.", quota.next_seconds)


def _is_login(request: HttpRequest) -> bool:
    return request.resolver_match is not None and request.resolver_match.view_name in LOGIN_VIEWS


def _identity(request: HttpRequest) -> str:
    ident = BaseThrottle().get_ident(request)  # type: ignore[arg-type]  # DRF's method reads NUM_PROXIES
    return callers.login(ident or "", request.POST.get("username", ""))


def _refusal(status: int, reason: str, seconds: int) -> HttpResponse:
    return HttpResponse(
        f"{reason} Try again in {seconds} seconds.\n",
        status=status,
        content_type="text/plain; charset=utf-8",
        headers={"Retry-After": str(seconds), "Cache-Control": "no-store"},
    )
