"""The service worker: the shell and the last answers for a browser that goes offline."""

from hashlib import blake2b

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.templatetags.static import static
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

SCRIPTS = (
    *("ages", "fairness", "formulas", "live", "main", "panels", "stream"),
    *("strip", "theme", "theming", "verify", "zones"),
)
SHELL = ("site/style.css", "site/favicon.svg", *(f"site/js/{name}.js" for name in SCRIPTS))


@require_safe
@cache_control(no_cache=True)
def service_worker(request: HttpRequest) -> HttpResponse:
    """At the root, because a worker rules only what lies below it. Its name changes with the shell's files."""
    shell = [static(name) for name in SHELL]
    name = blake2b(" ".join(shell).encode(), digest_size=6).hexdigest()
    return render(
        request, "site/service-worker.js", {"shell": shell, "name": name}, content_type="text/javascript; charset=utf-8"
    )
