"""What clients really send to a server: zones in any spelling, doubled slashes, addresses that do not exist."""

import http.client
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from analytics import services
from cachecore.redis_client import connections
from games.services import record_games
from tests import chains
from tests.processes import web_server

pytestmark = pytest.mark.django_db(transaction=True)

OCCURRENCES = "/api/analytics/occurrences/?min=2"


class Response:
    """A response of the server, read to its end."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status, self.headers, self.body = response.status, response.headers, response.read()

    @property
    def json(self) -> Any:
        assert self.headers["Content-Type"] == "application/json"
        return json.loads(self.body)


@pytest.fixture
def server(tmp_path) -> Iterator[str]:
    record_games(chains.bcgame_rounds(3), source="test")
    services.apply_pending()
    with web_server(tmp_path / "log") as base:
        yield urlsplit(base).netloc


def send(server: str, path: str, method: str = "GET", **headers: str) -> Response:
    """Send a request with this very path, which urllib and httpx would normalise."""
    connection = http.client.HTTPConnection(server, timeout=20)
    connection.putrequest(method, path)
    for name, value in headers.items():
        connection.putheader(name.replace("_", "-"), value.encode("latin-1"))
    connection.endheaders()
    response = Response(connection.getresponse())
    connection.close()
    return response


def test_a_zone_is_recognised_in_any_case_and_has_its_canonical_name_in_key_and_response(server):
    spellings = ("Europe/London", "europe/london", "EUROPE/LONDON", "eUROPE/lONDON")
    responses = [send(server, f"{OCCURRENCES}&tz={zone}") for zone in spellings]
    responses += [send(server, OCCURRENCES, X_Timezone=zone) for zone in spellings]
    assert [response.headers["X-Cache"] for response in responses] == ["MISS", *["HIT"] * 7]
    assert len({response.body for response in responses}) == 1
    assert responses[0].json["meta"]["timezone"] == "Europe/London"
    with connections.guarded_client("cache") as client:
        [key] = client.keys("analytics:occurrence:*")
    assert b":tz:Europe/London:" in key
    canonical = ("UTC", "Etc/GMT+5", "America/Port-au-Prince", "GB-Eire")
    found = [send(server, OCCURRENCES, X_Timezone=zone.swapcase()).json["meta"]["timezone"] for zone in canonical]
    assert found == list(canonical)


def test_an_unknown_zone_in_the_header_is_utc_and_the_response_says_so(server):
    known = send(server, OCCURRENCES)
    assert known.json["meta"]["timezone"] == "UTC"
    for zone in ("Etc/Unknown", "GMT+02:00", "Mars/Olympus", "Europe/London, Asia/Tokyo", "\xff", "localtime", ""):
        for _ in range(2):
            response = send(server, OCCURRENCES, X_Timezone=zone)
            assert (zone, response.status, response.body) == (zone, 200, known.body)
            assert response.headers["X-Cache"] == "HIT"


def test_an_unknown_zone_in_the_parameter_is_an_error(server):
    for zone in ("Etc/Unknown", "Mars/Olympus", "localtime", ""):
        response = send(server, f"{OCCURRENCES}&tz={zone}", X_Timezone="Europe/London")
        assert (zone, response.status) == (zone, 400)
        assert response.json["errors"] == {"tz": ["Expected an IANA time zone, such as Europe/London."]}


def test_a_path_of_the_api_that_does_not_exist_is_not_found_as_json(server):
    paths = (
        *("//api/games/", "///api/games/", "//api/nothing", "/api//games/", "/api/nothing/", "/api/nothing"),
        *("/api/games/abc/", "/api/games/1/nothing/", "/api/analytics/nothing/?min=2", "//api/games/export/"),
        *("//api/stream/", "/%61pi/nothing/", "/api/games/1/verification/x"),
    )
    for path in paths:
        for method in ("GET", "POST", "DELETE"):
            response = send(server, path, method, Accept="text/html", Content_Length="0")
            assert (path, method, response.status) == (path, method, 404)
            assert response.json == {"detail": "Not found."}


def test_a_page_that_does_not_exist_is_not_found_as_html(server):
    for path in ("/nothing/", "//nothing/", "/apiary/", "/games/api/"):
        response = send(server, path)
        assert (response.status, response.headers["Content-Type"]) == (404, "text/html; charset=utf-8")
