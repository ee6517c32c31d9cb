import json
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import Permission, User

from games.models import Game
from games.rounds import Round
from games.services import record_games
from tests.factories.tokens import authorization

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
HASH = "ee26c15d260a40f3c17c2af08fb39b20b4839277d3deaf719a6646deea9799cd"


@pytest.fixture
def five_games(django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        record_games(
            [
                Round(game_id=i, crash_hundredths=crash, end_time=NOON + timedelta(seconds=20 * i))
                for i, crash in enumerate([100, 234, 1000, 250, 199], start=1)
            ],
            source="test",
        )


def ids(response) -> list[int]:
    return [game["game_id"] for game in response.json()["results"]]


def test_the_list_is_newest_first_with_relative_links(client, five_games):
    response = client.get("/api/games/?per_page=2&page=2")
    assert response.status_code == 200
    assert response.json() | {"results": None} == {
        "count": 5,
        "page": 2,
        "per_page": 2,
        "pages": 3,
        "next": "?page=3&per_page=2&tz=UTC",
        "previous": "?page=1&per_page=2&tz=UTC",
        "results": None,
    }
    assert ids(response) == [3, 2]


def test_a_game_is_shown_in_full(client, five_games):
    assert client.get("/api/games/2/").json() == {
        "game_id": 2,
        "hash": None,
        "crash_point": 2.34,
        "crashed_floor": 2,
        "calculated_point": None,
        "verified": None,
        "formula": "bcgame-unsalted",
        "prepare_time": None,
        "begin_time": None,
        "end_time": "2026-07-01T12:00:40.000Z",
        "source": "test",
    }


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("min=2.34", [4, 3, 2]),
        ("max=1.99", [5, 1]),
        ("min=2&max=2.4", [2]),
        ("floor=2", [4, 2]),
        ("floor=02.0", [4, 2]),
        ("since=2026-07-01T12:00:40Z&until=2026-07-01T13:01:20%2B01:00", [3, 2]),
        ("ordering=crash_point", [1, 5, 2, 4, 3]),
        ("ordering=-crash_point&per_page=1", [3]),
        ("verified=true", []),
    ],
)
def test_the_list_is_filtered_and_ordered(client, five_games, query, expected):
    assert ids(client.get(f"/api/games/?{query}")) == expected


def test_two_zones_get_their_own_times_from_the_cache(client, five_games):
    for _ in range(2):  # computed, then stored
        new_york = client.get("/api/games/1/?tz=America/New_York")
        utc = client.get("/api/games/1/")
        london = client.get("/api/games/1/", headers={"X-Timezone": "Europe/London"})
    assert [r.headers["X-Cache"] for r in (new_york, utc, london)] == ["HIT"] * 3
    assert [r.json()["end_time"] for r in (new_york, utc, london)] == [
        "2026-07-01T08:00:20.000-04:00",
        "2026-07-01T12:00:20.000Z",
        "2026-07-01T13:00:20.000+01:00",
    ]


def test_the_parameter_wins_over_the_header(client, five_games):
    response = client.get("/api/games/1/?tz=UTC", headers={"X-Timezone": "Europe/London"})
    assert response.json()["end_time"] == "2026-07-01T12:00:20.000Z"


def test_spellings_of_one_query_share_one_entry(client, five_games):
    outcomes = [client.get(f"/api/games/?min={text}").headers["X-Cache"] for text in ("2", "2.0", "02", "2.00")]
    assert outcomes == ["MISS", "HIT", "HIT", "HIT"]


def test_links_depend_on_the_query_and_not_on_the_first_caller(client, five_games):
    client.get("/api/games/?per_page=01&since=2026-07-01T13:00:40%2B01:00")
    header = {"X-Timezone": "Asia/Tokyo"}
    response = client.get("/api/games/?since=2026-07-01T12:00:40Z&per_page=1&tz=UTC", headers=header)
    assert response.headers["X-Cache"] == "HIT"
    link = response.json()["next"]
    assert link == "?page=2&per_page=1&since=2026-07-01T12%3A00%3A40.000Z&tz=UTC"
    [second] = client.get(f"/api/games/{link}", headers=header).json()["results"]
    assert (second["game_id"], second["end_time"]) == (4, "2026-07-01T12:01:20.000Z")


def test_a_new_game_is_in_the_next_response(client, five_games, django_capture_on_commit_callbacks):
    client.get("/api/games/")
    with django_capture_on_commit_callbacks(execute=True):
        record_games([Round(game_id=6, crash_hundredths=300)], source="test")
    response = client.get("/api/games/")
    assert response.headers["X-Cache"] == "MISS"
    assert ids(response)[0] == 6


def test_a_response_that_has_not_changed_is_a_304(client, five_games):
    etag = client.get("/api/games/").headers["ETag"]
    response = client.get("/api/games/", headers={"If-None-Match": etag})
    assert response.status_code == 304
    assert not response.content


def test_a_hit_makes_no_database_query(client, five_games, django_assert_num_queries):
    client.get("/api/games/")
    with django_assert_num_queries(0):
        assert client.get("/api/games/").headers["X-Cache"] == "HIT"


def test_public_responses_do_not_vary_by_cookie(client, five_games):
    response = client.get("/api/games/")
    assert "cookie" not in response.headers["Vary"].lower()
    assert "Set-Cookie" not in response.headers


def test_an_absent_game_and_an_absurd_id_are_404(client, five_games):
    for game_id in ("6", "99999999999999999999"):
        response = client.get(f"/api/games/{game_id}/")
        assert (response.status_code, response.json()) == (404, {"detail": f"Game {game_id} is not recorded."})


def test_verification_shows_steps_and_the_link_to_the_next_game(client):
    # BC.Game 5,900,000 and the game before it, which is its hash's SHA-256.
    later = "5afc2cdf0d5645faa91a8d16c752bdb2a3d12627853dc31f05e6f311aee45895"
    earlier = "c73085256d7e598cf334bb90f7924a24a22e646720e91f6f54b18d414499c0ba"
    record_games(
        [
            Round(game_id=5_900_000, crash_hundredths=126, hash=later),
            Round(game_id=5_899_999, crash_hundredths=216, hash=earlier),
        ],
        source="test",
    )
    game = client.get("/api/games/5899999/verification/").json()
    assert game["verified"] is True
    assert game["steps"]["crash_hundredths"] == 216
    assert game["link"] == {
        "next_game_id": 5_900_000,
        "next_hash": later,
        "next_hash_hashed": earlier,
        "unbroken": True,
    }


def test_a_game_without_hash_says_why_it_cannot_be_verified(client, five_games):
    game = client.get("/api/games/1/verification/").json()
    assert (game["verified"], game["steps"], game["reason"]) == (None, None, "The source did not report a hash.")


# Ingest ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def ingest(client):
    """Return a function that POSTs as a user with the permission."""
    user = User.objects.create(username="feeder")
    user.user_permissions.add(Permission.objects.get(codename="ingest_games"))
    headers = {"Authorization": authorization(user, "ingest")}

    def post(body, content_type="application/json", query=""):
        data = body if isinstance(body, str | bytes) else json.dumps(body)
        return client.post(f"/api/games/{query}", data, content_type=content_type, headers=headers)

    return post


def test_ingest_is_idempotent(ingest):
    games = [
        {"game_id": 1, "crash_point": 2.34},
        {"game_id": 2, "crash_point": "10.5", "end_time": "2026-01-01T00:00:00Z"},
    ]
    first, second = ingest(games), ingest(games)
    assert (first.status_code, first.json()) == (201, {"created": 2, "updated": 0, "unchanged": 0})
    assert (second.status_code, second.json()) == (200, {"created": 0, "updated": 0, "unchanged": 2})
    assert list(Game.objects.order_by("game_id").values_list("crash_hundredths", flat=True)) == [234, 1050]


@pytest.mark.parametrize("name", ["force", "tz", "dry_run"])
def test_ingest_takes_no_parameters(ingest, name):
    response = ingest({"game_id": 1, "crash_point": 2}, query=f"?{name}=1")
    assert (response.status_code, response.json()["errors"]) == (400, {name: ["Unknown parameter."]})
    assert not Game.objects.exists()


@pytest.mark.parametrize("method", ["put", "patch", "delete"])
@pytest.mark.parametrize("path", ["/api/games/", "/api/games/1/"])
def test_an_unsupported_method_is_a_405_with_and_without_permission(client, method, path):
    assert getattr(client, method)(path).status_code == 405


def test_ingest_needs_a_token_with_the_permission(client):
    body = json.dumps({"game_id": 1, "crash_point": 2})
    assert client.post("/api/games/", body, content_type="application/json").status_code == 401
    stranger = authorization(User.objects.create(username="stranger"), "ingest")
    response = client.post("/api/games/", body, content_type="application/json", headers={"Authorization": stranger})
    assert response.status_code == 403
    assert not Game.objects.exists()


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        ({"game_id": 1}, {"0": {"crash_point": ["This field is required."]}}),
        ({"game_id": 0, "crash_point": 2}, {"0": {"game_id": ["Ensure this value is greater than or equal to 1."]}}),
        (
            {"game_id": 10**20, "crash_point": 2},
            {"0": {"game_id": ["Ensure this value is less than or equal to 9007199254740991."]}},
        ),
        ({"game_id": 1, "crash_point": 0.99}, {"0": {"crash_point": ["A crash point must be at least 1."]}}),
        (
            {"game_id": 1, "crash_point": 2.345},
            {"0": {"crash_point": ["Expected a number with at most two decimals, such as 2 or 2.34."]}},
        ),
        (
            {"game_id": 1, "crash_point": True},
            {"0": {"crash_point": ["Expected a number with at most two decimals."]}},
        ),
        (
            {"game_id": 1, "crash_point": 2, "hash": "a" * 63},
            {"0": {"hash": ["This value does not match the required pattern."]}},
        ),
        (
            {"game_id": 1, "crash_point": 2, "end_time": "2026-01-01T00:00:00"},
            {"0": {"end_time": ["Expected a UTC offset, such as Z or +01:00 (write + as %2B in a URL)."]}},
        ),
        ({"game_id": 1, "crash_point": 2, "endtime": "x"}, {"0": {"endtime": ["Unknown field."]}}),
        (
            [{"game_id": i, "crash_point": 2} for i in range(1, 1002)],
            {"games": ["Expected 1 to 1000 games, got 1001."]},
        ),
        ([], {"games": ["Expected 1 to 1000 games, got 0."]}),
        (
            [{"game_id": 1, "crash_point": 2}, {"game_id": 1, "crash_point": 3}],
            {"1": {"game_id": ["Given twice with different values (first at 0)."]}},
        ),
        (["x"], {"0": {"non_field_errors": ["Invalid data. Expected a dictionary, but got str."]}}),
    ],
)
def test_a_bad_game_is_a_400_that_says_which_and_why_and_nothing_is_written(ingest, body, errors):
    response = ingest(body)
    assert (response.status_code, response.json()) == (400, {"detail": "Invalid input.", "errors": errors})
    assert not Game.objects.exists()


@pytest.mark.parametrize(
    "body", ['{"game_id": 1, "crash_point": NaN}', '{"game_id": 1, "crash_point": 1e400}', "{", '"x']
)
def test_a_body_that_is_not_json_is_a_400(ingest, body):
    response = ingest(body)
    assert response.status_code == 400
    assert not Game.objects.exists()


@pytest.mark.parametrize("body", ["[" * 100_000, '{"\\ud800": 1}', "[[[[1]]]]"])
def test_an_absurd_body_is_a_400(ingest, body):
    assert ingest(body).status_code == 400


def test_another_content_type_is_a_415(ingest):
    assert ingest("game_id=1", content_type="application/x-www-form-urlencoded").status_code == 415


def test_an_absent_method_is_a_405(client):
    assert client.delete("/api/games/1/").status_code in (401, 405)
    assert client.put("/api/analytics/occurrences/").status_code == 405
