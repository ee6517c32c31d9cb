"""Rate limits as a throttle of Django REST framework, for DEFAULT_THROTTLE_CLASSES."""

from collections.abc import Callable, ItemsView, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from rest_framework import status
from rest_framework.exceptions import APIException, Throttled
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from cachecore.rate_limits import callers
from cachecore.rate_limits.headers import RETRY_SECONDS, rate_limit_headers
from cachecore.rate_limits.scopes import LimitsUnavailable, charge
from cachecore.rate_limits.windows import Quota
from cachecore.responses.policies import policies

if TYPE_CHECKING:  # rest_framework.views imports this module, because its settings name it
    from rest_framework.views import APIView


class LimiterUnavailable(APIException):
    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    default_detail = "The rate limit cannot be checked now."
    wait = RETRY_SECONDS  # DRF's Retry-After


class ScopeThrottle(BaseThrottle):
    """Counts a read in its view's `throttle_scope`, and a write in its `write_throttle_scope`.

    A view without the attribute is not limited. A request without an address comes from this process (warming) and is
    not counted. If the view's responses are cached, a request is counted only if it computes one, or if it is rejected
    before that.
    """

    quota: Quota | None = None

    def allow_request(self, request: Request, view: "APIView") -> bool:
        """Count the request now, or let the response cache count it before computing. Raises LimiterUnavailable."""
        scope, identity = _scope(request, view), self._identity(request)
        if scope is None or identity is None:
            return True
        if not _is_cached(request, view):
            return self._count(scope, identity, view)

        def before_computing() -> None:
            """Count the request. Raises Throttled, LimiterUnavailable."""
            if not self._count(scope, identity, view):
                raise Throttled(self.wait())

        def count_if_rejected() -> None:
            if request.__dict__.pop("before_computing", None) is not None:
                with suppress(LimiterUnavailable):  # the response exists already, and the failure was logged
                    self._count(scope, identity, view)

        request.before_computing = before_computing  # type: ignore[attr-defined]  # cached_response removes it
        view.headers = _CallbackHeaders(view.headers, count_if_rejected)
        return True

    def wait(self) -> float | None:
        return self.quota.next_seconds if self.quota else None

    def _count(self, scope: str, identity: str, view: "APIView") -> bool:
        """Take one slot. Return True if the request is allowed."""
        try:
            self.quota = charge(scope, identity)
        except LimitsUnavailable as error:
            raise LimiterUnavailable from error
        if self.quota is None:
            return True
        view.headers.update(rate_limit_headers(self.quota))  # DRF adds them to every response, a 429 too
        return self.quota.allowed

    def _identity(self, request: Request) -> str | None:
        if request.user.is_authenticated:
            return callers.user(request.user.pk)
        return callers.of_request(request)


class _CallbackHeaders(dict[str, str]):
    """A view's headers that call a function when they are read.

    DRF reads them once, when the response is built. That is the only moment at which a throttle can still count a
    request that its view has rejected (invalid parameters).
    """

    def __init__(self, headers: Mapping[str, str], on_read: Callable[[], None]) -> None:
        super().__init__(headers)
        self._on_read = on_read

    def items(self) -> ItemsView[str, str]:  # type: ignore[override]  # DRF only iterates
        self._on_read()
        return super().items()


def _scope(request: Request, view: "APIView") -> str | None:
    reads = request.method in SAFE_METHODS
    scope: str | None = getattr(view, "throttle_scope" if reads else "write_throttle_scope", None)
    return scope


def _is_cached(request: Request, view: "APIView") -> bool:
    """Return True if a policy's family names this view: `cached_response` then calls `before_computing`."""
    name = f"{type(view).__module__}.{type(view).__qualname__}"
    names = (name, f"{name}.{getattr(view, 'action', None)}")
    return request.method in ("GET", "HEAD") and any(policy.family.written_by in names for policy in policies.values())
