"""Content-Security-Policy on every page. Django 5.2 has none of its own.

The pages, those of the admin included, load nothing from other sites and contain neither inline scripts nor inline
styles. Only the API's documentation sets styles from its scripts, so only its policy allows them.
"""

from collections.abc import Callable
from typing import Final

from django.http import HttpRequest, HttpResponse

STRICT: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; manifest-src 'self'; worker-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
STYLES_INLINE: Final = STRICT.replace("style-src 'self'", "style-src 'self' 'unsafe-inline'")
LENIENT_PATH: Final = "/api/docs/"


class ContentSecurityPolicy:
    """Middleware that adds the header to HTML only: on a cached JSON response it would only cost its bytes."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self._get_response(request)
        if response.get("Content-Type", "").startswith("text/html"):
            policy = STYLES_INLINE if request.path.startswith(LENIENT_PATH) else STRICT
            response.headers.setdefault("Content-Security-Policy", policy)
        return response
