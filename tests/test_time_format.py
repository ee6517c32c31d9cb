"""Times have one format in whatever the server sends: JSON, CSV, JSON lines, events.

Strict parsers (pandas, strptime) infer the format of a column from its first value.
"""

import csv
import http.client
import io
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest

from analytics import services
from games.services import record_games
from tests import chains
from tests.processes import status_of, web_server
from tests.test_schema import PATHS

pytestmark = pytest.mark.django_db(transaction=True)

SHEETS = ("strip", "heat", "series")
TIME_LIKE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T")
TIME = {
    "UTC": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"),
    "Europe/London": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0[01]:00"),
    "Asia/Kathmandu": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+05:45"),
}
INFERRED = "%Y-%m-%dT%H:%M:%S.%f%z"


@pytest.fixture
def address(tmp_path, django_db_serialized_rollback) -> Iterator[str]:
    """The address of a real server whose games end at whole seconds, and between two of them."""
    rounds = chains.timed(chains.bcgame_rounds(6), datetime.now(UTC).replace(microsecond=0))
    late = [{"end_time": one.end_time + timedelta(milliseconds=250)} for one in rounds[::2]]
    rounds[::2] = [chains.replace(one, **more) for one, more in zip(rounds[::2], late, strict=True)]
    record_games(rounds, source="test")
    services.apply_pending()
    with web_server(tmp_path / "log") as base:
        yield base


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for one in value.values():
            yield from texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from texts(one)
    elif isinstance(value, str):
        yield value


def times_in_json(body: str) -> list[str]:
    return [text for text in texts(json.loads(body)) if TIME_LIKE.match(text)]


def times_in_csv(body: str) -> list[str]:
    return [cell for row in csv.reader(io.StringIO(body)) for cell in row if TIME_LIKE.match(cell)]


def times_in_first_event(base: str) -> list[str]:
    connection = http.client.HTTPConnection(urlsplit(base).netloc, timeout=20)
    connection.request("GET", "/api/stream/")
    lines = iter(connection.getresponse().readline, b"")
    data = next(line for line in lines if line.startswith(b"data:"))
    connection.close()
    return times_in_json(data.removeprefix(b"data:").decode())


@pytest.mark.parametrize("zone", TIME)
def test_every_time_of_a_response_has_the_same_format(address, zone):
    def get(path: str) -> str:
        status, body, _ = status_of(f"{address}{path}{'&' if '?' in path else '?'}tz={zone}")
        assert (path, status) == (path, 200)
        return body

    found = {path: times_in_json(get(path.format(game_id=chains.BCGAME_LAST) + query)) for path, query in PATHS.items()}
    found |= {f"/panels/{sheet}.csv": times_in_csv(get(f"/panels/{sheet}.csv")) for sheet in SHEETS}
    found["csv"] = times_in_csv(get("/api/games/export/"))
    lines = get("/api/games/export/?format=jsonl").splitlines()
    found["jsonl"] = [time for line in lines for time in times_in_json(line)]
    assert found["csv"] == found["jsonl"]
    assert len(found["csv"]) == 3 * 6
    wrong = {path: [time for time in times if not TIME[zone].fullmatch(time)] for path, times in found.items()}
    assert {path: times for path, times in wrong.items() if times} == {}
    without = {path for path, times in found.items() if not times}
    assert without == {"/api/games/{game_id}/verification/"}
    parsed = [datetime.strptime(time, INFERRED) for time in found["csv"]]  # noqa: DTZ007  it has %z
    assert {time.microsecond for time in parsed} == {0, 250_000}


def test_events_have_the_format_of_utc(address):
    found = times_in_first_event(address)
    assert len(found) == 6
    assert [time for time in found if not TIME["UTC"].fullmatch(time)] == []
