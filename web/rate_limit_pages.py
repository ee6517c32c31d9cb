"""The responses of Django's own views to a client above its limit (429), and while limits cannot be checked (503)."""

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render

_DETAIL = {
    429: "Request was throttled. Expected available in {seconds} seconds.",
    503: "The rate limit cannot be checked now.",
}


def rate_limit_page(request: HttpRequest, status: int, seconds: int) -> HttpResponse:
    return render(request, "429.html", {"above": status == 429, "seconds": seconds}, status=status)


def rate_limit_json(request: HttpRequest, status: int, seconds: int) -> HttpResponse:
    """Return the same body as the API's own views."""
    return JsonResponse({"detail": _DETAIL[status].format(seconds=seconds)}, status=status)
