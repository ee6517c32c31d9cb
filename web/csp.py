"""Content-Security-Policy on every page. Django 5.2 has none of its own.

The pages, the admin's too, load nothing from elsewhere and hold neither inline script nor inline style. The API's
documentation sets styles from its scripts, which only it may.
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
    """On HTML only: on a cached JSON answer it would protect nothing and cost its bytes each time."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self._get_response(request)
        if response.get("Content-Type", "").startswith("text/html"):
            policy = STYLES_INLINE if request.path.startswith(LENIENT_PATH) else STRICT
            response.headers.setdefault("Content-Security-Policy", policy)
        return response
