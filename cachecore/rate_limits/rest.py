"""The limits as Django REST framework asks for them: DEFAULT_THROTTLE_CLASSES."""

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

if TYPE_CHECKING:  # rest_framework.views imports this module: it is in its settings
    from rest_framework.views import APIView


class LimiterUnavailable(APIException):
    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    default_detail = "The rate limit cannot be checked now."
    wait = RETRY_SECONDS  # DRF makes it Retry-After


class ScopeThrottle(BaseThrottle):
    """Counts a request against its view's `throttle_scope`, one that writes against its `write_throttle_scope`.

    A view without the attribute is not limited. A request without an address was made in this process (warming)
    and is not counted. Where the view keeps its answers, only computing one counts, or being refused before that.
    """

    quota: Quota | None = None

    def allow_request(self, request: Request, view: "APIView") -> bool:
        """Raises LimiterUnavailable where the scope fails closed."""
        scope, identity = _scope(request, view), self._identity(request)
        if scope is None or identity is None:
            return True
        if not _keeps_answers(request, view):
            return self._count(scope, identity, view)

        def before_computing() -> None:
            """Raises Throttled, LimiterUnavailable."""
            if not self._count(scope, identity, view):
                raise Throttled(self.wait())

        def settle() -> None:
            if request.__dict__.pop("before_computing", None) is not None:
                with suppress(LimiterUnavailable):  # answered already, and logged
                    self._count(scope, identity, view)

        request.before_computing = before_computing  # type: ignore[attr-defined]  # responses.cached takes it
        view.headers = _Owing(view.headers, settle)
        return True

    def wait(self) -> float | None:
        return self.quota.next_seconds if self.quota else None

    def _count(self, scope: str, identity: str, view: "APIView") -> bool:
        """Whether the request is let through."""
        try:
            self.quota = charge(scope, identity)
        except LimitsUnavailable as error:
            raise LimiterUnavailable from error
        if self.quota is None:
            return True
        view.headers.update(rate_limit_headers(self.quota))  # DRF puts them on whatever is answered, a 429 too
        return self.quota.allowed

    def _identity(self, request: Request) -> str | None:
        if request.user.is_authenticated:
            return callers.user(request.user.pk)
        ident = self.get_ident(request)  # X-Forwarded-For as far as NUM_PROXIES says it can be trusted
        return callers.address(ident) if ident else None


class _Owing(dict[str, str]):
    """A view's headers, which DRF reads once, when the answer is made; who was refused before `cached` pays then.

    A bad question costs its caller a slot as any other does, but DRF tells a throttle nothing of how it went.
    """

    def __init__(self, headers: Mapping[str, str], settle: Callable[[], None]) -> None:
        super().__init__(headers)
        self._settle = settle

    def items(self) -> ItemsView[str, str]:  # type: ignore[override]  # DRF only iterates
        self._settle()
        return super().items()


def _scope(request: Request, view: "APIView") -> str | None:
    reads = request.method in SAFE_METHODS
    scope: str | None = getattr(view, "throttle_scope" if reads else "write_throttle_scope", None)
    return scope


def _keeps_answers(request: Request, view: "APIView") -> bool:
    """Whether a policy's family says that this view writes it: then `responses.cached` will ask before computing."""
    name = f"{type(view).__module__}.{type(view).__qualname__}"
    names = (name, f"{name}.{getattr(view, 'action', None)}")
    return request.method in ("GET", "HEAD") and any(one.family.written_by in names for one in policies.values())
