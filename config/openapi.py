"""What every endpoint shares, as OpenAPI tells it: errors, zone, limits, the headers of answers that are cached."""

from typing import Any

from drf_spectacular.openapi import AutoSchema
from rest_framework import serializers
from rest_framework.permissions import SAFE_METHODS

from cachecore.keys import registry

TOLD = {
    400: "A parameter or a field is unknown or wrong; `errors` says which and why.",
    401: "No token, or one that does not count.",
    403: "Not with these permissions.",
    404: "There is no such thing.",
    409: "Not in the present state; `code` says why.",
    413: "The body is larger than 2 MB.",
    415: "The body is not JSON.",
    422: "The Idempotency-Key was used for another request.",
    429: "Too many requests; `Retry-After` says when to ask again.",
    502: "The wallet of the agent did not answer; the stake is returned.",
    503: "The database, or Redis where nothing stands in for it, does not answer now.",
}
WAITING = (429, 503)

ZONE = {
    "in": "header",
    "name": "X-Timezone",
    "schema": {"type": "string", "example": "Europe/London"},
    "description": "IANA zone of the times in the answer, in any case; `tz` wins over it. An unknown zone is UTC.",
}


def _header(type_: str, description: str, **more: Any) -> dict[str, Any]:
    return {"schema": {"type": type_, **more}, "description": description}


RETRY_AFTER = {"Retry-After": _header("integer", "Seconds.")}
LIMITS = {
    "RateLimit-Limit": _header("integer", "Requests in the window."),
    "RateLimit-Remaining": _header("integer", "Of them left."),
    "RateLimit-Reset": _header("integer", "Seconds until all are there again."),
}
CACHED = {
    "X-Cache": _header("string", "How it was answered.", enum=["HIT", "STALE", "MISS", "BYPASS"]),
    "X-Data-Version": _header("integer", "Version of the data; it rises with every change."),
    "Age": _header("integer", "Seconds since it was computed."),
    "ETag": _header("string", "For `If-None-Match`: 304 while nothing has changed."),
    "Cache-Control": _header("string", "How long whom may keep it."),
}
NOT_MODIFIED = {"description": "What `If-None-Match` names is still the answer.", "headers": CACHED}


class ErrorSerializer(serializers.Serializer):  # type: ignore[type-arg]
    """The body of every error."""

    detail = serializers.CharField(help_text="What is wrong, for people.")
    errors = serializers.DictField(  # type: ignore[assignment]
        required=False, help_text="Field -> reasons; of a list of games, index -> field -> reasons."
    )


class Schema(AutoSchema):
    def get_operation(self, *args: Any, **kwargs: Any) -> dict[str, Any] | None:
        operation: dict[str, Any] | None = super().get_operation(*args, **kwargs)
        if operation is None:
            return None
        if any(parameter["name"] == "tz" for parameter in operation.get("parameters", ())):
            operation["parameters"].append(ZONE)
        answers, limits = operation["responses"], LIMITS if self._is_limited else {}
        for status in self._errors(operation):
            answers.setdefault(str(status), self._error(status, limits))
        cached = CACHED if self._is_cached else {}
        for name in {"200", "201"} & answers.keys():
            if headers := {**cached, **limits}:
                answers[name]["headers"] = headers
        if cached:
            answers.setdefault("304", NOT_MODIFIED)
        operation["responses"] = dict(sorted(answers.items()))
        return operation

    def get_auth(self) -> list[dict[str, Any]]:
        """Nobody is asked who reads what is public: `{}` alone."""
        auth: list[dict[str, Any]] = super().get_auth()
        return auth if self._asks_who else [{}]

    def _errors(self, operation: dict[str, Any]) -> list[int]:
        found = [400, *([401, 403] if self._asks_who else [])]
        paged = any(parameter["name"] == "page" for parameter in operation.get("parameters", ()))
        if "{" in self.path or self.method == "DELETE" or paged:
            found.append(404)
        if self.method == "POST":
            found += [413, 415]
        found += getattr(self.view, "error_statuses", {}).get(self.method, [])
        return [*found, *([429] if self._is_limited else []), 503]

    def _error(self, status: int, limits: dict[str, Any]) -> dict[str, Any]:
        component = self.resolve_serializer(getattr(self.view, "error_serializer", ErrorSerializer), "response")
        headers = {**(limits if status == 429 else {}), **(RETRY_AFTER if status in WAITING else {})}
        return {
            "description": TOLD[status],
            "content": {"application/json": {"schema": component.ref}},
            **({"headers": headers} if headers else {}),
        }

    @property
    def _is_limited(self) -> bool:
        return hasattr(self.view, "throttle_scope")

    @property
    def _is_cached(self) -> bool:
        """Whether a family of answers names this view as what writes it."""
        view = f"{type(self.view).__module__}.{type(self.view).__qualname__}"
        names = {view, f"{view}.{getattr(self.view, 'action', None)}"}
        return self.method == "GET" and any(family.written_by in names for family in registry.values())

    @property
    def _asks_who(self) -> bool:
        requires_login = getattr(self.view, "requires_login", False)
        return requires_login or self.method not in SAFE_METHODS or self.path.startswith("/api/admin/")
