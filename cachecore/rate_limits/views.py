"""The limits for Django's own views: pages, and what they fetch. As at the API, only what is computed counts."""

from collections.abc import Callable
from functools import wraps

from django.http import HttpRequest, HttpResponse
from rest_framework.throttling import BaseThrottle

from cachecore.rate_limits import callers
from cachecore.rate_limits.headers import RETRY_SECONDS, rate_limit_headers
from cachecore.rate_limits.scopes import LimitsUnavailable, charge
from cachecore.rate_limits.windows import Quota

View = Callable[..., HttpResponse]
Refuse = Callable[[HttpRequest, int, int], HttpResponse]  # status, seconds after which it may be tried again


class LimitExceeded(Exception):
    """The caller is above its limit."""


class RateLimitSlot:
    """A request's slot, taken before the first of what it needs is computed: whatever that is, it pays once.

    `identity` None: the request was made in this process (warming) and is not counted.
    """

    def __init__(self, scope: str, identity: str | None) -> None:
        self._scope = scope
        self._identity = identity
        self._taken = False
        self.quota: Quota | None = None

    def __call__(self) -> None:
        """Raises TooMany, LimitsUnavailable."""
        if self._identity is not None and not self._taken:
            self.quota = charge(self._scope, self._identity)
            self._taken = True
        if self.quota is not None and not self.quota.allowed:
            raise LimitExceeded


def rate_limited(scope: str, refuse: Refuse) -> Callable[[View], View]:
    """Decorate a view that takes a Slot after its request, and calls it (`before_computing`) before it computes."""

    def decorate(view: View) -> View:
        @wraps(view)
        def charged(request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
            slot = RateLimitSlot(scope, _identity(request))
            try:
                response = view(request, slot, *args, **kwargs)
            except LimitExceeded:
                response = _refused(refuse, request, 429, slot.quota.next_seconds if slot.quota else RETRY_SECONDS)
            except LimitsUnavailable:
                response = _refused(refuse, request, 503, RETRY_SECONDS)
            if slot.quota is not None:
                for name, value in rate_limit_headers(slot.quota).items():
                    response[name] = value
            return response

        return charged

    return decorate


def _identity(request: HttpRequest) -> str | None:
    """An address only: to ask who is logged in would make every page depend on a cookie."""
    ident = BaseThrottle().get_ident(request)  # type: ignore[arg-type]  # NUM_PROXIES is read in one place
    return callers.address(ident) if ident else None


def _refused(refuse: Refuse, request: HttpRequest, status: int, seconds: int) -> HttpResponse:
    response = refuse(request, status, seconds)
    response["Retry-After"] = str(seconds)
    response["Cache-Control"] = "no-store"
    return response
