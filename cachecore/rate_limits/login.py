"""Limit attempts to log in to the admin, per address and per pair of address and username.

The limit per pair prevents the guessing of a password. The limit per address also covers many usernames from one
address, each of which costs a password hash.
"""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse

from cachecore.rate_limits import callers
from cachecore.rate_limits.headers import RETRY_SECONDS, rate_limit_headers
from cachecore.rate_limits.scopes import LimitsUnavailable, charge
from cachecore.rate_limits.windows import Quota

SCOPE = "login"
ADDRESS_SCOPE = "login_address"
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
            quota = _charge(request)
        except LimitsUnavailable:
            return _refusal(503, "Logging in is not possible now.", RETRY_SECONDS)
        request.login_quota = quota  # type: ignore[attr-defined]
        if quota is None or quota.allowed:
            return None
        return _refusal(429, "Too many attempts to log in.", quota.next_seconds)


def _is_login(request: HttpRequest) -> bool:
    return request.resolver_match is not None and request.resolver_match.view_name in LOGIN_VIEWS


def _charge(request: HttpRequest) -> Quota | None:
    """Take a slot of the address, then one of the pair. Return the refusing quota, else the pair's.

    Clients whose proxy reports no addresses share one identity. They take no slot of a pair, because any of them could
    then lock out a named user. Raises LimitsUnavailable.
    """
    caller = callers.of_request(request) or callers.UNKNOWN_PROXY
    quota = charge(ADDRESS_SCOPE, caller)
    if callers.is_shared(caller) or (quota is not None and not quota.allowed):
        return quota
    return charge(SCOPE, callers.login(caller, request.POST.get("username", ""))) or quota


def _refusal(status: int, reason: str, seconds: int) -> HttpResponse:
    return HttpResponse(
        f"{reason} Try again in {seconds} seconds.\n",
        status=status,
        content_type="text/plain; charset=utf-8",
        headers={"Retry-After": str(seconds), "Cache-Control": "no-store"},
    )
