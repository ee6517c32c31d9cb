"""Every malformed query gets a 400 that names the parameter, never a 5xx and never a guess."""

import pytest

from games.models import Game

pytestmark = pytest.mark.django_db

ONE_OF = "Give exactly one of min, max and floor."
NUMBER = "Expected a number with at most two decimals, such as 2 or 2.34."

CASES = {
    "/api/games/?tz=Mars/Olympus": {"tz": ["Expected an IANA time zone, such as Europe/London."]},
    "/api/games/?tz=../../etc/passwd": {"tz": ["Expected an IANA time zone, such as Europe/London."]},
    "/api/games/?page=0": {"page": ["Ensure this value is greater than or equal to 1."]},
    "/api/games/?page=x": {"page": ["A valid integer is required."]},
    "/api/games/?per_page=101": {"per_page": ["Ensure this value is less than or equal to 100."]},
    "/api/games/?min=abc": {"min": [NUMBER]},
    "/api/games/?min=NaN": {"min": [NUMBER]},
    "/api/games/?min=1e400": {"min": [NUMBER]},
    "/api/games/?min=-2": {"min": [NUMBER]},
    "/api/games/?min=0": {"min": ["A crash point must be at least 1."]},
    "/api/games/?min=5&max=2": {"min": ["min must not be greater than max."]},
    "/api/games/?floor=2.5": {"floor": ["A valid integer is required."]},
    "/api/games/?since=2026-01-01T00:00:00": {
        "since": ["Expected a UTC offset, such as Z or +01:00 (write + as %2B in a URL)."]
    },
    "/api/games/?since=2026-01-01T00:00:00+01:00": {
        "since": [
            "Expected an ISO 8601 time with its UTC offset, such as 2026-07-01T12:00:00Z (write + as %2B in a URL)."
        ]
    },
    "/api/games/?since=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z": {
        "since": ["since must be earlier than until."]
    },
    "/api/games/?ordering=hash": {"ordering": ['"hash" is not a valid choice.']},
    "/api/games/?colour=red": {"colour": ["Unknown parameter."]},
    "/api/games/?page=1&page=2": {"page": ["Given more than once."]},
    "/api/games/?verified=maybe": {"verified": ["Must be a valid boolean."]},
    "/api/analytics/occurrences/": {"min": [ONE_OF], "max": [ONE_OF], "floor": [ONE_OF]},
    "/api/analytics/occurrences/?min=2&max=3": {"min": [ONE_OF], "max": [ONE_OF]},
    "/api/analytics/occurrences/?min=": {"min": ["This field may not be blank."]},
    "/api/analytics/occurrences/?min=2,,3": {"min": [NUMBER]},
    "/api/analytics/occurrences/?min=2.345": {"min": [NUMBER]},
    "/api/analytics/occurrences/?min=10000001": {"min": ["Must be at most 10000000."]},
    "/api/analytics/occurrences/?min=Infinity": {"min": [NUMBER]},
    "/api/analytics/occurrences/?floor=2.5": {"floor": ["Expected a whole number: the integer part of a crash point."]},
    "/api/analytics/occurrences/?min=2&games=0": {"games": ["Ensure this value is greater than or equal to 1."]},
    "/api/analytics/occurrences/?min=2&games=100001": {"games": ["Ensure this value is less than or equal to 100000."]},
    "/api/analytics/occurrences/?min=2&games=5&hours=1": {
        name: ["Give one window: games, hours, since/until or all."] for name in ("games", "hours")
    },
    "/api/analytics/occurrences/?min=2&hours=0": {"hours": ["Must be above 0 and at most 2160."]},
    "/api/analytics/occurrences/?min=2&hours=99999999999": {
        "hours": ["Ensure that there are no more than 6 digits before the decimal point."]
    },
    "/api/analytics/occurrences/?min=2&hours=%EF%BC%95": {"hours": ["A valid number is required."]},
    "/api/analytics/occurrences/?min=2&hours=NaN": {"hours": ["A valid number is required."]},
    "/api/analytics/occurrences/?min=2&until=2026-01-01T00:00:00Z": {"since": ["Required if until is given."]},
    "/api/analytics/occurrences/?min=2&since=2099-01-01T00:00:00Z": {"since": ["Must be in the past."]},
    "/api/analytics/occurrences/?min=2&all=false": {"all": ["The only valid value is true."]},
    "/api/analytics/intervals/?min=2&interval=7": {"interval": ["Must divide a day (1440 minutes)."]},
    "/api/analytics/intervals/?min=2&hours=1.1&interval=60": {"hours": ["Must be a multiple of 60 minutes."]},
    "/api/analytics/intervals/?min=2&hours=2160&interval=1": {
        "interval": ["Would give 129600 rows; at most 10000 are allowed."]
    },
    "/api/analytics/intervals/?min=2&games=100": {"games": ["Not allowed for intervals: give hours or since/until."]},
    "/api/analytics/status/?x=1": {"x": ["Unknown parameter."]},
}


@pytest.mark.parametrize("url", CASES)
def test_a_malformed_query_gets_a_400_that_names_the_parameter(client, url):
    response = client.get(url)
    assert response.status_code == 400
    assert response.json() == {"detail": "Invalid input.", "errors": CASES[url]}
    assert not Game.objects.exists()


def test_more_than_fifty_conditions_are_rejected(client):
    values = ",".join(str(n) for n in range(1, 52))
    response = client.get(f"/api/analytics/occurrences/?min={values}")
    assert response.json()["errors"] == {"min": ["Expected at most 50 values, got 51."]}


def test_the_404_of_an_unknown_path_is_json(client):
    response = client.get("/api/nothing/")
    assert (response.status_code, response.json()) == (404, {"detail": "Not found."})


def test_a_page_past_the_last_is_a_404(client):
    response = client.get("/api/games/?page=2")
    assert (response.status_code, response.json()) == (404, {"detail": "Page 2 does not exist. The last page is 1."})


@pytest.mark.parametrize(
    "url",
    [
        "/api/analytics/occurrences/?min=2&since=0001-01-01T00:00:00Z&tz=America/New_York",
        "/api/analytics/occurrences/?min=2&since=2020-01-01T00:00:00Z&until=9999-12-31T23:59:59Z&tz=Asia/Tokyo",
        "/api/games/?since=1970-01-01T00:00:00Z",
    ],
)
def test_times_outside_the_supported_range_are_rejected(client, url):
    response = client.get(url)
    assert response.status_code == 400
    assert list(response.json()["errors"].values()) == [["Must be from 2009-01-03 to 2100-01-01."]]
