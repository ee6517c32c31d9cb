"""Add the common parts of all endpoints to the OpenAPI schema: errors, time zone, rate limits, cache headers."""

from typing import Any

from drf_spectacular.openapi import AutoSchema
from rest_framework import serializers
from rest_framework.permissions import SAFE_METHODS

from cachecore.keys import registry

ERROR_DESCRIPTIONS = {
    400: "A parameter or field is unknown or invalid. `errors` says which one and why.",
    401: "The token is missing or invalid.",
    403: "The caller does not have the required permission.",
    404: "The object does not exist.",
    409: "The present state does not allow the request. `code` says why.",
    413: "The body is larger than 2 MB.",
    415: "The body is not JSON.",
    422: "The Idempotency-Key was used for another request.",
    429: "Too many requests. `Retry-After` says when to try again.",
    502: "The wallet of the agent did not respond. The stake is returned.",
    503: "The database is unavailable, or Redis, if the response cannot be computed without it.",
}
RETRYABLE_STATUSES = (429, 503)

ZONE = {
    "in": "header",
    "name": "X-Timezone",
    "schema": {"type": "string", "example": "Europe/London"},
    "description": "IANA zone of the response's times, in any case. `tz` takes precedence; an unknown zone is UTC.",
}


def _header(type_: str, description: str, **more: Any) -> dict[str, Any]:
    return {"schema": {"type": type_, **more}, "description": description}


RETRY_AFTER_HEADER = {"Retry-After": _header("integer", "Seconds to wait before the next try.")}
RATE_LIMIT_HEADERS = {
    "RateLimit-Limit": _header("integer", "Requests allowed per window."),
    "RateLimit-Remaining": _header("integer", "Requests left in the window."),
    "RateLimit-Reset": _header("integer", "Seconds until all requests of the window are available again."),
}
CACHE_HEADERS = {
    "X-Cache": _header("string", "Where the response came from.", enum=["HIT", "STALE", "MISS", "BYPASS"]),
    "X-Data-Version": _header("integer", "Version of the data, which rises with every change."),
    "Age": _header("integer", "Seconds since the response was computed."),
    "ETag": _header("string", "Value for `If-None-Match`; the response is a 304 while nothing has changed."),
    "Cache-Control": _header("string", "Which caches may store the response, and for how long."),
}
NOT_MODIFIED = {"description": "The response named by `If-None-Match` is still current.", "headers": CACHE_HEADERS}


class ErrorSerializer(serializers.Serializer):  # type: ignore[type-arg]
    """The body of every error."""

    detail = serializers.CharField(help_text="The error, for people.")
    errors = serializers.DictField(  # type: ignore[assignment]
        required=False, help_text="Field -> reasons; for a list of games, index -> field -> reasons."
    )


class Schema(AutoSchema):
    """The OpenAPI description of one view."""

    def get_operation(self, *args: Any, **kwargs: Any) -> dict[str, Any] | None:
        operation: dict[str, Any] | None = super().get_operation(*args, **kwargs)
        if operation is None:
            return None
        if any(parameter["name"] == "tz" for parameter in operation.get("parameters", ())):
            operation["parameters"].append(ZONE)
        responses, limits = operation["responses"], RATE_LIMIT_HEADERS if self._is_limited else {}
        for status in self._error_statuses(operation):
            responses.setdefault(str(status), self._error_response(status, limits))
        cached = CACHE_HEADERS if self._is_cached else {}
        for name in {"200", "201"} & responses.keys():
            if headers := {**cached, **limits}:
                responses[name]["headers"] = headers
        if cached:
            responses.setdefault("304", NOT_MODIFIED)
        operation["responses"] = dict(sorted(responses.items()))
        return operation

    def get_auth(self) -> list[dict[str, Any]]:
        """Return `{}` alone, no authentication, for public operations."""
        auth: list[dict[str, Any]] = super().get_auth()
        return auth if self._requires_authentication else [{}]

    def _error_statuses(self, operation: dict[str, Any]) -> list[int]:
        found = [400, *([401, 403] if self._requires_authentication else [])]
        paged = any(parameter["name"] == "page" for parameter in operation.get("parameters", ()))
        if "{" in self.path or self.method == "DELETE" or paged:
            found.append(404)
        if self.method == "POST":
            found += [413, 415]
        found += getattr(self.view, "error_statuses", {}).get(self.method, [])
        return [*found, *([429] if self._is_limited else []), 503]

    def _error_response(self, status: int, limits: dict[str, Any]) -> dict[str, Any]:
        component = self.resolve_serializer(getattr(self.view, "error_serializer", ErrorSerializer), "response")
        headers = {**(limits if status == 429 else {}), **(RETRY_AFTER_HEADER if status in RETRYABLE_STATUSES else {})}
        return {
            "description": ERROR_DESCRIPTIONS[status],
            "content": {"application/json": {"schema": component.ref}},
            **({"headers": headers} if headers else {}),
        }

    @property
    def _is_limited(self) -> bool:
        return hasattr(self.view, "throttle_scope")

    @property
    def _is_cached(self) -> bool:
        """True if a key family names this view as its writer."""
        view = f"{type(self.view).__module__}.{type(self.view).__qualname__}"
        names = {view, f"{view}.{getattr(self.view, 'action', None)}"}
        return self.method == "GET" and any(family.written_by in names for family in registry.values())

    @property
    def _requires_authentication(self) -> bool:
        requires_login = getattr(self.view, "requires_login", False)
        return requires_login or self.method not in SAFE_METHODS or self.path.startswith("/api/admin/")
