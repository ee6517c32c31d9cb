"""What a page says to who is above the limit (429), and while a limit cannot be checked (503)."""

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render

_DETAIL = {
    429: "Request was throttled. Expected available in {seconds} seconds.",
    503: "The rate limit cannot be checked now.",
}


def as_page(request: HttpRequest, status: int, seconds: int) -> HttpResponse:
    return render(request, "429.html", {"above": status == 429, "seconds": seconds}, status=status)


def as_json(request: HttpRequest, status: int, seconds: int) -> HttpResponse:
    """In the words of the API."""
    return JsonResponse({"detail": _DETAIL[status].format(seconds=seconds)}, status=status)
