"""The service worker: the app shell and the last responses for a browser that goes offline."""

from hashlib import blake2b
from pathlib import Path

from django.contrib.staticfiles import finders
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
    """Serve the script at the root, because a service worker controls only the paths below its own.

    The names of its caches change with the files of the shell, so a new deployment begins with empty caches.
    """
    shell = [static(name) for name in SHELL]
    context = {"shell": shell, "name": _digest(shell)}
    return render(request, "site/service-worker.js", context, content_type="text/javascript; charset=utf-8")


def _digest(shell: list[str]) -> str:
    """Hash the files' names and contents: only in production does a file's name change with its content."""
    digest = blake2b(" ".join(shell).encode(), digest_size=6)
    for name in SHELL:
        digest.update(Path(finders.find(name) or name).read_bytes())
    return digest.hexdigest()
