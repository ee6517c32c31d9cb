"""Every result equals a plain recomputation, from the live view and from the database alike, except `source`."""

import random
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import pytest

from analytics import services, view_maintenance
from cachecore.clock import now_ms
from cachecore.redis_client import connections
from games.keys import GAMES
from games.models import Game
from tests.analytics import games
from tests.analytics.oracle import meets

pytestmark = pytest.mark.django_db

MINUTE_MS = 60_000


def history(seed: int, count: int, step: int) -> dict[int, tuple[int, int]]:
    """Return games up to a moment ago, with gaps, unknown times, and a few times that do not follow the ids."""
    chance = random.Random(seed)
    now, found, end_ms = now_ms(), {}, now_ms()
    for game_id in range(10_000_100, 10_000_100 - count * step, -step):
        end_ms -= chance.randint(8_000, 40_000)
        if chance.random() < 0.05:
            continue  # not recorded
        crash = max(100, int(99 / (1 - chance.random())))
        stray = chance.choice([0, end_ms - 3_600_000, min(now, end_ms + 1_800_000)])
        found[game_id] = (crash, stray if chance.random() < 0.1 else end_ms)
    return found


@pytest.fixture(params=[1, 1_300], ids=["close ids", "three games a chunk"])
def recorded(request, settings) -> dict[int, tuple[int, int]]:
    settings.ANALYTICS_LEDGER_GAMES = 10**7
    found = history(seed=7, count=700, step=request.param)
    games.put_all(found)
    services.apply_pending()
    return found


def expected_window(found: dict, query: dict) -> tuple[list[int], dict]:
    """Return the ids of the window, and the facts that `meta.window` states."""
    ids = sorted(found)
    if "games" in query:
        inside = ids[-query["games"] :]
        complete, recorded = len(inside) == query["games"], inside
    elif "all" in query:
        inside = recorded = ids
        complete = True
    else:
        start, end = query["range"]
        inside = [i for i in ids if found[i][1] and start <= found[i][1] < end]
        complete = any(found[i][1] and found[i][1] <= start for i in ids)
        recorded = [i for i in ids if inside and inside[0] <= i <= inside[-1]]
    missing = inside[-1] - inside[0] + 1 - len(recorded) if inside else 0
    return inside, {
        "first_game": inside[0] if inside else None,
        "last_game": inside[-1] if inside else None,
        "games": len(inside),
        "missing_games": missing,
        "complete": complete,
    }


def iso(ms: int, zone: str) -> str | None:
    if not ms:
        return None
    time = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)).astimezone(ZoneInfo(zone))
    return time.isoformat().replace("+00:00", "Z")


def same_times(one: str | None, other: str | None) -> bool:
    return one == other or (one and other and datetime.fromisoformat(one) == datetime.fromisoformat(other))


WINDOWS = [
    {"games": 1},
    {"games": 100},
    {"games": 690},
    {"games": 5_000},
    {"all": "true"},
    {"hours": 1},
    {"hours": 0.25},
    {"hours": 100},
]
CONDITIONS = [("min", "2"), ("min", "10,2,7.77"), ("max", "1.5"), ("floor", "1,13"), ("min", "10000000")]


def from_both_sources(client, url: str) -> list[dict]:
    """Return the body from the live view, and the body from the table: without a view, as after a flush."""
    live = client.get(url)
    with connections.guarded_client("state") as redis:
        view = {key: redis.dump(key) for key in redis.scan_iter(match="{analytics}:*")}
        redis.flushall()
    table = client.get(url)
    with connections.guarded_client("state") as redis:
        for key, value in view.items():
            redis.restore(key, 0, value)
    assert (live.status_code, table.status_code) == (200, 200)
    bodies = [live.json(), table.json()]
    assert [body["meta"]["source"] for body in bodies] == ["live", "database"]
    return bodies


@pytest.mark.parametrize("window", WINDOWS, ids=str)
@pytest.mark.parametrize(("kind", "values"), CONDITIONS)
def test_occurrences(client, recorded, window, kind, values):
    zone = "America/New_York"
    for body in from_both_sources(
        client, "/api/analytics/occurrences/?" + urlencode({kind: values, "tz": zone, **window})
    ):
        generated = round(datetime.fromisoformat(body["meta"]["generated_at"]).timestamp() * 1000)
        query = window | {"range": (generated - round(window.get("hours", 0) * 3_600_000), generated)}
        inside, facts = expected_window(recorded, query)
        assert {name: body["meta"]["window"][name] for name in facts} == facts
        assert [result["condition"] for result in body["results"]] == [f"{kind}:{v}" for v in values.split(",")]
        for result in body["results"]:
            met = [i for i in inside if meets(result["condition"], recorded[i][0])]
            assert (result["count"], result["games"]) == (len(met), len(inside))
            assert result["percentage"] == (round(100 * len(met) / len(inside), 4) if inside else None)
            assert same_times(result["first_game_time"], iso(recorded[met[0]][1], zone) if met else None)
            assert same_times(result["last_game_time"], iso(recorded[met[-1]][1], zone) if met else None)


@pytest.mark.parametrize(("interval", "hours"), [(10, 1), (1, 1), (60, 24), (30, 0.5), (1440, 48), (10, 240)])
@pytest.mark.parametrize(("kind", "values"), CONDITIONS[:4])
def test_intervals(client, recorded, interval, hours, kind, values):
    width = interval * MINUTE_MS
    query = urlencode({kind: values, "interval": interval, "hours": hours, "tz": "Asia/Kathmandu"})
    for body in from_both_sources(client, f"/api/analytics/intervals/?{query}"):
        generated = round(datetime.fromisoformat(body["meta"]["generated_at"]).timestamp() * 1000)
        end = (generated // width + 1) * width
        start = end - round(hours * 3_600_000)
        inside, facts = expected_window(recorded, {"range": (start, generated)})
        assert {name: body["meta"]["window"][name] for name in facts} == facts
        since = start if facts["complete"] else min((recorded[i][1] for i in inside), default=None)
        for result in body["results"]:
            assert len(result["intervals"]) == round(hours * 60 / interval)
            for n, row in enumerate(result["intervals"]):
                begins = start + n * width
                played = [i for i in inside if begins <= recorded[i][1] < begins + width]
                count = sum(meets(result["condition"], recorded[i][0]) for i in played)
                assert same_times(row["start"], iso(begins, "UTC"))
                assert same_times(row["end"], iso(begins + width, "UTC"))
                assert (row["count"], row["games"]) == (count, len(played))
                assert row["percentage"] == (round(100 * count / len(played), 4) if played else None)
                assert row["complete"] == (since is not None and begins >= since and begins + width <= generated)
            assert sum(row["games"] for row in result["intervals"]) == len(inside)


def test_since_and_until_cover_exactly_the_requested_range(client, recorded):
    ids = sorted(recorded)
    since, until = (iso(recorded[i][1], "UTC") for i in (ids[-200], ids[-50]))
    url = "/api/analytics/occurrences/?" + urlencode({"min": 2, "since": since, "until": until})
    for body in from_both_sources(client, url):
        bounds = (recorded[ids[-200]][1], recorded[ids[-50]][1])
        _, facts = expected_window(recorded, {"range": bounds})
        assert {name: body["meta"]["window"][name] for name in facts} == facts
        assert (body["meta"]["window"]["from"], body["meta"]["window"]["to"]) == (
            body["meta"]["window"]["requested"]["since"],
            body["meta"]["window"]["requested"]["until"],
        )


def test_without_games_a_percentage_is_null_and_not_zero(client):
    services.apply_pending()
    body = client.get("/api/analytics/occurrences/?min=2").json()
    assert body["results"] == [
        {
            "condition": "min:2",
            "count": 0,
            "games": 0,
            "percentage": None,
            "expected_percentage": 49.5,
            "first_game_time": None,
            "last_game_time": None,
        }
    ]
    assert body["meta"]["window"]["complete"] is False


def test_a_game_of_unknown_time_counts_in_games_and_never_in_hours(client):
    games.put(1, 200, 0)
    services.apply_pending()
    by_games = client.get("/api/analytics/occurrences/?min=2").json()
    by_hours = client.get("/api/analytics/occurrences/?min=2&hours=2160").json()
    assert (by_games["meta"]["window"]["games"], by_hours["meta"]["window"]["games"]) == (1, 0)
    assert by_games["meta"]["window"]["from"] is None


def test_the_newest_games_are_newest_by_number_when_ids_gain_a_digit(client):
    games.put_all({i: (100 if i < 10_000_000 else 1_000, now_ms()) for i in range(9_999_990, 10_000_010)})
    services.apply_pending()
    body = client.get("/api/analytics/occurrences/?min=10&games=10").json()
    assert (body["results"][0]["count"], body["meta"]["window"]["first_game"]) == (10, 10_000_000)


def test_a_window_below_the_ledger_is_read_from_the_table(client, settings):
    settings.ANALYTICS_LEDGER_GAMES = 10
    games.put_all({i: (200, 1_780_745_451_691 + i) for i in range(1, 4_200)})
    services.apply_pending()
    within = client.get("/api/analytics/occurrences/?min=2&games=50").json()
    beyond = client.get("/api/analytics/occurrences/?min=2&games=4000").json()
    everything = client.get("/api/analytics/occurrences/?min=2&all=true").json()
    assert [a["meta"]["source"] for a in (within, beyond, everything)] == ["live", "database", "live"]
    assert [a["meta"]["window"]["games"] for a in (within, beyond, everything)] == [50, 4_000, 4_199]


def test_a_view_that_is_behind_is_not_read_and_the_fallback_is_cached_briefly(client):
    games.put(1, 200, now_ms() - 60_000)
    services.apply_pending()
    games.put(2, 300, now_ms() - 30_000)  # recorded, never announced
    Game.objects.filter(game_id=2).update(created_at=datetime.now(UTC) - timedelta(seconds=11))
    body = client.get("/api/analytics/occurrences/?min=2")
    assert body.json()["meta"]["source"] == "database"
    assert body.json()["results"][0]["games"] == 2
    with connections.guarded_client("cache") as redis:
        (key,) = redis.scan_iter(match="analytics:occurrence:*")
        assert 0 < redis.pttl(key) <= 1_000


def test_a_response_older_than_an_unapplied_change_is_not_served_after_ten_seconds(client):
    games.put(1, 200, now_ms() - 60_000)
    services.apply_pending()
    url = "/api/analytics/occurrences/?min=2"
    client.get(url)
    games.put(2, 300, now_ms() - 30_000)
    for age_ms, outcome in ((9_000, "HIT"), (11_000, "MISS")):
        with connections.guarded_client("state") as redis:  # the writer has been stuck since
            redis.set(
                "{analytics}:version", now_ms() - 60_000 if outcome == "MISS" else redis.get("{analytics}:version")
            )
            redis.set(GAMES.key, now_ms() - age_ms)
        assert client.get(url).headers["X-Cache"] == outcome


def test_a_view_that_is_briefly_behind_is_still_read(client):
    games.put(1, 200, now_ms() - 60_000)
    services.apply_pending()
    games.put(2, 300, now_ms())
    assert client.get("/api/analytics/occurrences/?min=2").json()["meta"]["source"] == "live"


def test_equal_parameters_in_other_formats_share_one_cache_entry(client, recorded):
    outcomes = [
        client.get(f"/api/analytics/intervals/?min={text}&hours={hours}").headers["X-Cache"]
        for text, hours in [("2", "1"), ("2.0", "1.0"), ("02", "01"), ("2.00", "1")]
    ]
    assert outcomes == ["MISS", "HIT", "HIT", "HIT"]
    with connections.guarded_client("cache") as redis:
        (key,) = redis.scan_iter(match="analytics:interval:*")
    assert key.startswith(b"analytics:interval:min:2:interval:10:hours:1:tz:UTC:")


@pytest.mark.parametrize("fault", ["stop", "pause"])
def test_without_redis_the_table_is_read(client, recorded, valkey, fault):
    getattr(valkey, fault)()
    response = client.get("/api/analytics/occurrences/?min=2")
    assert (response.status_code, response.headers["X-Cache"]) == (200, "BYPASS")
    assert response.json()["meta"]["source"] == "database"
    status = client.get("/api/analytics/status/").json()
    assert (status["view"], status["lag_ms"]) == ("unavailable", None)


def test_data_reach_back_when_an_older_game_lies_in_a_chunk_that_is_not_read(client):
    games.put_all({1: (200, now_ms() - 100 * MINUTE_MS), 5_000: (200, now_ms() - MINUTE_MS)})
    services.apply_pending()
    for body in from_both_sources(client, "/api/analytics/occurrences/?min=2&hours=1"):
        assert body["meta"]["window"]["complete"] is True
        assert body["meta"]["window"]["games"] == 1


def test_a_game_below_the_ledger_that_ended_in_the_window_makes_the_table_the_source(client, settings):
    settings.ANALYTICS_LEDGER_GAMES = 10
    stray = {1: (200, now_ms() - 10 * MINUTE_MS)}  # an old id with a recent time
    games.put_all(stray | {5_000 + i: (200, now_ms() - 100 * MINUTE_MS + i) for i in range(20)})
    services.apply_pending()
    around = client.get("/api/analytics/occurrences/?min=2&hours=1").json()
    after = client.get("/api/analytics/occurrences/?min=2&hours=0.1").json()
    assert (around["meta"]["source"], around["meta"]["window"]["games"]) == ("database", 1)
    assert (after["meta"]["source"], after["meta"]["window"]["games"]) == ("live", 0)
    assert after["meta"]["window"]["complete"] is True


def test_a_view_that_lost_its_state_is_not_read_and_is_rebuilt(client, recorded):
    with connections.guarded_client("state") as redis:
        redis.delete("{analytics}:state")
    response = client.get("/api/analytics/occurrences/?min=2")
    assert response.json()["meta"]["source"] == "database"
    assert client.get("/api/analytics/status/").json()["view"] == "absent"
    assert services.apply_pending().rebuilt
    assert client.get("/api/analytics/status/").json()["view"] == "current"


def test_a_view_of_another_release_is_rebuilt(client, recorded):
    with connections.guarded_client("state") as redis:
        redis.hdel("{analytics}:state", "below_end")
    assert services.apply_pending().rebuilt
    assert client.get("/api/analytics/status/").json()["view"] == "current"


def test_a_new_game_does_not_make_a_view_current_that_has_long_been_behind(client):
    games.put(1, 200, now_ms() - 60_000)
    services.apply_pending()
    games.put_all({i: (300, now_ms()) for i in (2, 3)})
    Game.objects.filter(game_id=2).update(created_at=datetime.now(UTC) - timedelta(seconds=11))
    assert client.get("/api/analytics/occurrences/?min=2").json()["meta"]["source"] == "database"
    assert client.get("/api/analytics/status/").json()["view"] == "behind"


def test_dropping_chunks_keeps_their_newest_time(client, settings):
    games.put_all({1: (200, now_ms() - 10 * MINUTE_MS), 5_000: (200, now_ms() - MINUTE_MS)})
    services.apply_pending()
    settings.ANALYTICS_LEDGER_GAMES = 10
    view_maintenance.clean_up()
    sources = [
        client.get(f"/api/analytics/occurrences/?min=2&hours={hours}").json()["meta"]["source"] for hours in (1, 0.1)
    ]
    assert sources == ["database", "live"]
