"""The limits as Django REST framework asks for them: DEFAULT_THROTTLE_CLASSES."""

from typing import TYPE_CHECKING

from rest_framework import status
from rest_framework.exceptions import APIException
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from cachecore.throttling import callers
from cachecore.throttling.headers import RETRY_SECONDS, rate_limit_headers
from cachecore.throttling.scopes import LimitsUnavailable, charge
from cachecore.throttling.windows import Quota

if TYPE_CHECKING:  # rest_framework.views imports this module: it is in its settings
    from rest_framework.views import APIView


class LimiterUnavailable(APIException):
    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    default_detail = "The rate limit cannot be checked now."
    wait = RETRY_SECONDS  # DRF makes it Retry-After


class ScopeThrottle(BaseThrottle):
    """Counts a request against its view's `throttle_scope`, one that writes against its `write_throttle_scope`.

    A view without the attribute is not limited. A request without an address was made in this process (warming)
    and is not counted.
    """

    quota: Quota | None = None

    def allow_request(self, request: Request, view: "APIView") -> bool:
        """Raises LimiterUnavailable where the scope fails closed."""
        scope, identity = _scope(request, view), self._identity(request)
        if scope is None or identity is None:
            return True
        try:
            self.quota = charge(scope, identity)
        except LimitsUnavailable as error:
            raise LimiterUnavailable from error
        if self.quota is None:
            return True
        view.headers.update(rate_limit_headers(self.quota))  # DRF puts them on whatever is answered, a 429 too
        return self.quota.allowed

    def wait(self) -> float | None:
        return self.quota.next_seconds if self.quota else None

    def _identity(self, request: Request) -> str | None:
        if request.user.is_authenticated:
            return callers.user(request.user.pk)
        ident = self.get_ident(request)  # X-Forwarded-For as far as NUM_PROXIES says it can be trusted
        return callers.address(ident) if ident else None


def _scope(request: Request, view: "APIView") -> str | None:
    reads = request.method in SAFE_METHODS
    scope: str | None = getattr(view, "throttle_scope" if reads else "write_throttle_scope", None)
    return scope
