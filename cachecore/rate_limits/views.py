"""Rate limits for plain Django views. As in the API, only requests that compute something are counted."""

from collections.abc import Callable
from functools import wraps

from django.http import HttpRequest, HttpResponse

from cachecore.rate_limits import callers
from cachecore.rate_limits.headers import RETRY_SECONDS, rate_limit_headers
from cachecore.rate_limits.scopes import LimitsUnavailable, charge
from cachecore.rate_limits.windows import Quota

View = Callable[..., HttpResponse]
Refuse = Callable[[HttpRequest, int, int], HttpResponse]  # (request, status, seconds to wait) -> response


class LimitExceeded(Exception):
    """The caller is above its limit."""


class RateLimitSlot:
    """One request's slot in its window. The first call takes it, so a request counts once however much it computes.

    `identity` is None for a request from this process (warming), which is not counted.
    """

    def __init__(self, scope: str, identity: str | None) -> None:
        self._scope = scope
        self._identity = identity
        self._taken = False
        self.quota: Quota | None = None

    def __call__(self) -> None:
        """Take the slot unless it was taken before. Raises LimitExceeded, LimitsUnavailable."""
        if self._identity is not None and not self._taken:
            self.quota = charge(self._scope, self._identity)
            self._taken = True
        if self.quota is not None and not self.quota.allowed:
            raise LimitExceeded


def rate_limited(scope: str, refuse: Refuse) -> Callable[[View], View]:
    """Decorate a view that takes a RateLimitSlot after its request, and calls it before it computes anything.

    `refuse` makes the response of a refused request, to which the rate limit's headers are added.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def limited(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
            slot = RateLimitSlot(scope, _identity(request))
            try:
                response = view(request, slot, *args, **kwargs)
            except LimitExceeded:
                response = _refusal(refuse, request, 429, slot.quota.next_seconds if slot.quota else RETRY_SECONDS)
            except LimitsUnavailable:
                response = _refusal(refuse, request, 503, RETRY_SECONDS)
            if slot.quota is not None:
                for name, value in rate_limit_headers(slot.quota).items():
                    response[name] = value
            return response

        return limited

    return decorate


def _identity(request: HttpRequest) -> str | None:
    """Return the address's identity. Identifying the user would make every page depend on a cookie."""
    return callers.of_request(request)


def _refusal(refuse: Refuse, request: HttpRequest, status: int, seconds: int) -> HttpResponse:
    response = refuse(request, status, seconds)
    response["Retry-After"] = str(seconds)
    response["Cache-Control"] = "no-store"
    return response
