"""The export: the filters of the list, streamed, with the values of the API."""

import csv
import io
import json
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from django.db import connection

from games.export import export_games
from games.models import Game
from tests.factories.games import FIRST_ID, GameFactory

pytestmark = pytest.mark.django_db

URL = "/api/games/export/"


def body(response) -> str:
    return b"".join(response.streaming_content).decode()


@pytest.fixture
def games() -> list[Game]:
    return [GameFactory(game_id=FIRST_ID + n, end_time=f"2026-03-28T23:59:5{n}.25Z") for n in range(3)]


@pytest.mark.parametrize("zone", ["UTC", "America/New_York"])
def test_json_lines_are_the_games_of_the_list(client, games, zone):
    lines = body(client.get(f"{URL}?format=jsonl&tz={zone}")).splitlines()
    assert [json.loads(line) for line in lines] == client.get(f"/api/games/?tz={zone}").json()["results"]


def test_csv_has_a_header_and_the_same_values(client, games):
    response = client.get(f"{URL}?ordering=game_id")
    rows = list(csv.DictReader(io.StringIO(body(response))))
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert response["Content-Disposition"] == 'attachment; filename="games.csv"'
    assert [row["game_id"] for row in rows] == [str(game.game_id) for game in games]
    assert rows[0] == {
        "game_id": str(FIRST_ID),
        "hash": games[0].hash,
        "crash_point": str(games[0].crash_hundredths / 100),
        "crashed_floor": str(games[0].crash_hundredths // 100),
        "calculated_point": str(games[0].crash_hundredths / 100),
        "verified": "true",
        "formula": "bcgame-758160",
        "prepare_time": "",
        "begin_time": "",
        "end_time": "2026-03-28T23:59:50.250Z",
        "source": "test",
    }


def test_filters_apply_and_nothing_found_is_a_header(client, games):
    assert body(client.get(f"{URL}?since=2026-03-28T23:59:51Z&format=jsonl")).count("\n") == 2
    assert body(client.get(f"{URL}?min=10000000")).count("\n") == 1
    assert body(client.get(f"{URL}?min=10000000&format=jsonl")) == ""


@pytest.mark.parametrize(
    ("query", "errors"),
    [
        ("format=xml", {"format": ['"xml" is not a valid choice.']}),
        ("page=2", {"page": ["Unknown parameter."]}),
        ("per_page=2", {"per_page": ["Unknown parameter."]}),
        ("min=0", {"min": ["A crash point must be at least 1."]}),
    ],
)
def test_a_bad_query_is_a_400_that_names_its_field(client, query, errors):
    response = client.get(f"{URL}?{query}")
    assert (response.status_code, response.json()["errors"]) == (400, errors)


@pytest.mark.skipif(connection.vendor != "postgresql", reason="cursors of a server")
@pytest.mark.parametrize("read", [0, 1])
def test_a_response_that_is_not_read_to_its_end_closes_its_cursor(games, read, monkeypatch):
    for name in ("ROWS_PER_FETCH", "ROWS_PER_PART"):
        monkeypatch.setattr(f"games.export.{name}", 1)

    def cursors() -> int:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_cursors")
            return cursor.fetchone()[0]

    parts = export_games(Game.objects.all(), "csv", ZoneInfo("UTC"))
    assert len(list(islice(parts, read))) == read
    assert cursors() == 1
    parts.close()
    assert cursors() == 0


def test_more_than_one_part_loses_no_row(client):
    Game.objects.bulk_create(Game(game_id=n, crash_hundredths=100 + n, source="test") for n in range(1, 5_002))
    lines = body(client.get(f"{URL}?format=jsonl&ordering=game_id")).splitlines()
    assert [json.loads(line)["crash_point"] for line in lines] == [(100 + n) / 100 for n in range(1, 5_002)]
