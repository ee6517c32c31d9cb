"""Mistakes that other programs of this kind make, each tested on ours, from the live view and the table alike.

The numbers A1 to A18 are those of the list of mistakes that were measured there.
"""

from collections import Counter
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from analytics import services
from analytics.live import pending
from tests.analytics import games
from tests.analytics.random_queries import comparable, differences, url
from tests.analytics.recomputation import World, at
from tests.analytics.test_endpoint_results import from_both_sources
from tests.analytics.worlds import NOW_MS, even, freeze, frozen, record

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen")]

__all__ = ["frozen"]

HOUR_MS = 3_600_000


@pytest.fixture
def fetch(client):
    """Return a function that fetches a body on which view and table agree."""

    def fetch(endpoint: str, **params: object) -> dict:
        live, table = from_both_sources(client, url(endpoint, {name: str(value) for name, value in params.items()}))
        assert differences(comparable(live), comparable(table)) == []
        return comparable(live)

    return fetch


def errors_of(client, endpoint: str, **params: object) -> dict:
    response = client.get(url(endpoint, {name: str(value) for name, value in params.items()}))
    assert response.status_code == 400, response.content
    return response.json()["errors"]


def ids_of(found: list[dict], first: str = "start_game", last: str = "end_game") -> list[tuple[int, int]]:
    return [(one[first], one[last]) for one in found]


# A1, A2: the chance of the next game ----------------------------------------------------------------------------------


@pytest.mark.parametrize("drought", [0, 20, 400])
def test_a1_a_drought_does_not_raise_the_chance_of_the_next_game(fetch, drought):
    record(even(1_000, [20_000, *[150] * drought]))
    results = fetch("last-games", min="2,5,10,20,50,100")["results"]
    assert [one["games_since"] for one in results] == [drought] * 6
    assert [one["next_probability"] for one in results] == [0.495, 0.198, 0.099, 0.0495, 0.0198, 0.0099]
    assert [one["expected_gap"] for one in results] == [2.0202, 5.0505, 10.101, 20.202, 50.5051, 101.0101]


def test_a2_the_chance_of_at_most_x_is_that_of_the_next_hundredth(fetch):
    record(even(1_000, [500] * 30))
    results = fetch("last-games", max="1,1.01,2,10")["results"]
    assert [one["games_since"] for one in results] == [None, None, None, 0]
    assert [one["next_probability"] for one in results] == [float(1 - Fraction(99, k)) for k in (101, 102, 201, 1_001)]


# A3 to A6: sets of games ----------------------------------------------------------------------------------------------


def test_a3_a_part_of_a_set_is_counted_and_not_scaled_up(fetch):
    record(World({1_000: (300, NOW_MS - 4), 1_002: (300, NOW_MS - 3), 1_005: (100, NOW_MS - 2), 1_009: (300, NOW_MS)}))
    [one] = fetch("game-sets", min=2)["results"][0]["sets"]
    assert (one["count"], one["games"], one["missing"], one["percentage"]) == (3, 4, 6, 75.0)
    assert one["complete"] is False


def test_a3_the_oldest_set_of_a_window_holds_what_the_window_holds(fetch):
    record(even(1_000, [300] * 1_000))
    sets = fetch("game-sets", min=2, games=997)["results"][0]["sets"]
    oldest = sets[-1]
    assert (oldest["first_game"], oldest["count"], oldest["games"], oldest["complete"]) == (1_003, 7, 7, False)
    assert (len(sets), sum(one["games"] for one in sets)) == (100, 997)


def test_a4_a_set_without_a_game_is_left_out(fetch):
    record(World({i: (200, NOW_MS - 1_000 * (50 - i)) for i in [*range(10, 20), *range(40, 50)]}))
    sets = fetch("game-sets", min=2)["results"][0]["sets"]
    assert ids_of(sets, "first_game", "last_game") == [(40, 49), (10, 19)]
    assert [one["start"] for one in sets] == [at(NOW_MS - 10_000, "UTC"), at(NOW_MS - 40_000, "UTC")]


def test_a5_the_requested_size_is_used(fetch, client):
    record(even(3_000, [200] * 90))
    [result] = fetch("game-sets", min=2, size=30)["results"]
    assert result["size"] == 30
    assert [one["games"] for one in result["sets"]] == [30, 30, 30]
    assert errors_of(client, "game-sets", min=2, size=1_001) == {
        "size": ["Ensure this value is less than or equal to 1000."]
    }
    assert errors_of(client, "game-sets", min=2, games_per_set=30) == {"games_per_set": ["Unknown parameter."]}


def test_a6_the_newest_games_are_newest_by_number_when_ids_gain_a_digit(fetch):
    record(even(9_999_800, [200] * 400))
    sets = fetch("game-sets", min=2, games=40, size=20)["results"][0]["sets"]
    assert ids_of(sets, "first_game", "last_game") == [(10_000_180, 10_000_199), (10_000_160, 10_000_179)]
    across = fetch("series", min=10, games=300)
    assert ids_of(across["results"][0]["series"]) == [(9_999_800, 10_000_199)]
    assert across["meta"]["window"]["first_game"] == 9_999_900
    [last] = fetch("last-games", min=2)["results"][0]["games"]
    assert last["game_id"] == 10_000_199


def test_a6_the_newest_game_is_found_when_it_begins_a_chunk_of_the_ledger(client):
    found = []
    for newest in (4_095, 4_096, 8_192):
        games.put_all({newest - 1: (300, NOW_MS - 1), newest: (200, NOW_MS)})
        pending.mark([newest - 1, newest])
        services.apply_pending()
        [result] = client.get("/api/analytics/last-games/?min=2").json()["results"]
        found.append((result["games"][0]["game_id"], result["games_since"]))
    assert found == [(4_095, 0), (4_096, 0), (8_192, 0)]


# A7 to A9: windows of time --------------------------------------------------------------------------------------------


def test_a7_more_than_a_week_is_served_whole(fetch):
    since = NOW_MS // HOUR_MS * HOUR_MS - 15 * 24 * HOUR_MS
    record(World({1 + n: (200, since + n * HOUR_MS) for n in range(15 * 24)}))
    body = fetch("intervals", min=2, interval=60, since=at(since, "UTC"), until=at(since + 15 * 24 * HOUR_MS, "UTC"))
    assert [row["games"] for row in body["results"][0]["intervals"]] == [1] * 360
    assert body["meta"]["window"]["games"] == 360


def test_a8_the_times_of_a_range_are_honoured_to_the_millisecond(fetch):
    start = NOW_MS // HOUR_MS * HOUR_MS - 24 * HOUR_MS
    record(World({n + 1: (200, start + n * 600_000 - 1 + n % 3) for n in range(6 * 24)}))
    since, until = start + 10 * HOUR_MS, start + 12 * HOUR_MS
    inside = [n + 1 for n in range(6 * 24) if since <= start + n * 600_000 - 1 + n % 3 < until]
    window = fetch("occurrences", min=2, since=at(since, "Asia/Tokyo"), until=at(until, "UTC"))["meta"]["window"]
    assert (window["first_game"], window["last_game"], window["games"]) == (inside[0], inside[-1], len(inside))
    assert (window["from"], window["to"]) == (at(since, "UTC"), at(until, "UTC"))


def test_a9_an_hour_has_3600_seconds(fetch):
    record(World({1 + n: (200, NOW_MS - n * 20_000) for n in range(1, 400)}))
    window = fetch("occurrences", min=2, hours=1)["meta"]["window"]
    assert (window["from"], window["to"]) == (at(NOW_MS - HOUR_MS, "UTC"), at(NOW_MS, "UTC"))
    assert window["games"] == sum(n * 20_000 <= HOUR_MS for n in range(1, 400))


def test_a9_intervals_state_what_they_cover_and_agree_with_the_same_range(fetch):
    record(World({1 + n: (200, NOW_MS - (400 - n) * 20_000) for n in range(400)}))
    body = fetch("intervals", min=2, hours=1)
    rows, window = body["results"][0]["intervals"], body["meta"]["window"]
    assert [row["start"][11:16] for row in rows] == ["01:20", "01:30", "01:40", "01:50", "02:00", "02:10"]
    assert [row["complete"] for row in rows] == [True] * 5 + [False]
    assert (window["from"], window["to"]) == (rows[0]["start"], at(NOW_MS, "UTC"))
    same = fetch("occurrences", min=2, since=window["from"], until=window["to"])
    assert same["results"][0]["games"] == sum(row["games"] for row in rows) == window["games"]


def test_a9_intervals_divide_a_day_and_begin_with_it(fetch, client):
    record(even(1, [200] * 30))
    assert errors_of(client, "intervals", min=2, interval=7) == {"interval": ["Must divide a day (1440 minutes)."]}
    for zone in ("UTC", "Asia/Kathmandu"):
        rows = fetch("intervals", min=2, interval=1440, hours=48, tz=zone)["results"][0]["intervals"]
        assert [datetime.fromisoformat(row["start"]) for row in rows] == [
            datetime(2025, 3, day, tzinfo=UTC) for day in (29, 30)
        ]


# A10 to A12: series ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [1.01, 1.5, 2, 3, 5])
def test_a10_a_series_entirely_before_the_window_is_left_out(fetch, value):
    record(even(1, [*[100] * 20, 1_000, *[100] * 7, 1_000]))
    from_the_closing_game = fetch("series", min=value, games=9)["results"][0]
    assert ids_of(from_the_closing_game["series"]) == [(22, 28)]
    assert from_the_closing_game["series"][0]["starts_before_window"] is False
    assert from_the_closing_game["summary"] == {"count": 1, "longest": 7, "current": 0, "mean": 7.0}
    assert fetch("series", min=value, games=1)["results"][0]["series"] == []


CHUNK = 4_096 * 1_978  # a bound of the ledger's chunks: series must be whole across it too


@pytest.mark.parametrize("params", [{"games": 230}, {"games": 1}, {"games": 700}, {"all": "true"}], ids=str)
@pytest.mark.parametrize("first", [CHUNK - 600, CHUNK + 7])
def test_a11_a_series_of_679_is_reported_whole(fetch, first, params):
    record(even(first, [60_000, *[150] * 679]))
    [one] = fetch("series", min=500, **params)["results"][0]["series"]
    assert (one["start_game"], one["end_game"], one["length"]) == (first + 1, first + 679, 679)
    assert (one["closed_by"], one["follow_streak"]) == (None, 0)
    assert one["starts_before_window"] is (params.get("games") in (1, 230))


@pytest.mark.parametrize("first", [CHUNK - 500, CHUNK - 682, CHUNK + 7])
def test_a11_a_series_that_ends_after_the_window_is_reported_whole(fetch, first):
    record(even(first, [60_000, *[150] * 679, 60_000, 70_000, 80_000, 150]))
    middle = {"since": at(NOW_MS - 400 * 20_000, "UTC"), "until": at(NOW_MS - 300 * 20_000, "UTC")}
    body = fetch("series", min=500, **middle)
    [one] = body["results"][0]["series"]
    assert body["meta"]["window"]["games"] == 100
    assert (one["start_game"], one["length"], one["starts_before_window"]) == (first + 1, 679, True)
    assert (one["closed_by"], one["follow_streak"]) == ({"game_id": first + 680, "crash_point": 600.0}, 3)
    assert body["results"][0]["summary"]["current"] is None


def test_a12_the_first_game_ever_is_counted(fetch):
    record(even(1, [1_000, 150, 1_000]))
    everything = fetch("occurrences", min=10, all="true")["results"][0]
    assert (everything["count"], everything["games"]) == (2, 3)
    [last] = fetch("last-games", min=10, limit=100)["results"]
    assert [one["game_id"] for one in last["games"]] == [3, 1]
    assert ids_of(fetch("series", min=10, all="true")["results"][0]["series"]) == [(2, 2)]
    assert ids_of(fetch("series", max=2, all="true")["results"][0]["series"]) == [(3, 3), (1, 1)]


# A13 to A15: what is unknown ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "previous_games", "reason"),
    [
        ({"games": 50}, 50, None),
        ({"games": 60}, 40, "The data do not cover the whole previous window."),
        ({"games": 100}, 0, "The data do not cover the whole previous window."),
        ({"games": 101}, 0, "The data do not cover the whole window."),
        ({"hours": "0.1"}, 18, None),
        ({"hours": "0.5"}, 10, "The data do not cover the whole previous window."),
        ({"hours": "24"}, 0, "The data do not cover the whole window."),
    ],
    ids=str,
)
def test_a13_unequal_periods_are_not_compared(fetch, params, previous_games, reason):
    record(even(1, [200] * 100))
    [result] = fetch("occurrences", min=2, compare="previous", **params)["results"]
    assert result["previous"]["games"] == previous_games
    assert result["reason"] == reason
    assert result["change"] == ({"count": 0, "percentage_points": 0.0} if reason is None else None)


def test_a13_all_games_cannot_be_compared_and_the_reason_says_so(fetch):
    record(even(1, [200] * 10))
    [result] = fetch("occurrences", min=2, compare="previous", all="true")["results"]
    assert (result["previous"], result["change"], result["reason"]) == (
        None,
        None,
        "All games have no previous window.",
    )


def test_a14_games_that_ended_at_once_are_each_in_one_period(fetch):
    record(World({n: (200, NOW_MS - 60_000 * (20 - n // 4)) for n in range(4, 80)}))  # four games a minute, at once
    boundary = NOW_MS - 10 * 60_000
    for params in ({"games": 37}, {"since": at(boundary, "UTC")}):
        body = fetch("occurrences", min=2, compare="previous", **params)
        [result] = body["results"]
        assert result["games"] + result["previous"]["games"] == (74 if "games" in params else 76)
    assert body["meta"]["window"]["first_game"] == 40  # games at the boundary are within


def test_a15_fewer_games_than_requested_are_flagged(fetch):
    record(even(1, [200] * 10))
    assert fetch("occurrences", min=2, games=11)["meta"]["window"]["complete"] is False
    assert fetch("occurrences", min=2, games=10)["meta"]["window"]["complete"] is True


def test_a15_a_percentage_of_nothing_is_null(fetch):
    services.apply_pending()
    assert fetch("occurrences", min=2, hours=1)["results"][0]["percentage"] is None
    assert [row["percentage"] for row in fetch("intervals", min=2, hours=1)["results"][0]["intervals"]] == [None] * 6
    assert fetch("distribution")["results"][0]["bins"][0]["percentage"] is None
    assert fetch("audit")["results"][0]["fit"]["p_value"] is None
    assert fetch("game-sets", min=2)["results"][0]["sets"] == []
    assert fetch("volatility")["results"][0]["blocks"] == []
    assert fetch("last-games", min=2)["results"][0]["games_since"] is None
    for params in ({}, {"all": "true"}):
        summary = {"count": 0, "longest": None, "current": None, "mean": None}
        assert fetch("series", min="2,2.5", **params)["results"] == [
            {"condition": f"min:{value}", "summary": summary, "series": []} for value in ("2", "2.5")
        ]


def test_a15_an_audit_before_a_game_is_applied_counts_no_game_twice(client):
    games.put_all({1: (200, NOW_MS - 3), 3: (200, NOW_MS - 1)})
    services.apply_pending()
    games.put(2, 200, NOW_MS - 2)
    [audit] = client.get("/api/analytics/audit/").json()["results"]
    assert (audit["verified"], audit["mismatched"], audit["chain"]["linked"], audit["chain"]["broken"]) == (0, 0, 0, 0)
    assert audit["unverifiable"] == audit["chain"]["not_checkable"]


# A16 to A18: invalid numbers and booleans -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "errors"),
    [
        ({"all": "false"}, {"all": ["The only valid value is true."]}),
        ({"compare": "false"}, {"compare": ['"false" is not a valid choice.']}),
        ({"games": "true"}, {"games": ["A valid integer is required."]}),
        ({"hours": "true"}, {"hours": ["A valid number is required."]}),
        ({"all": "perhaps"}, {"all": ["The only valid value is true."]}),
        ({"all": "1"}, {"all": ["The only valid value is true."]}),
    ],
    ids=str,
)
def test_a16_texts_are_not_booleans_and_booleans_are_not_numbers(client, params, errors):
    assert errors_of(client, "occurrences", min=2, **params) == errors


NUMBER = "Expected a number with at most two decimals, such as 2 or 2.34."


@pytest.mark.parametrize("endpoint", ["occurrences", "intervals", "game-sets", "series", "last-games"])
@pytest.mark.parametrize("kind", ["min", "max", "floor"])
@pytest.mark.parametrize(
    ("value", "reason"),
    [
        *((value, NUMBER) for value in ("nan", "NaN", "inf", "Infinity", "-inf", "-1", "1e3", "٣", "0x10", "2;3")),
        ("0", "A crash point must be at least 1."),
        ("0.99", "A crash point must be at least 1."),
    ],
)
def test_a17_an_invalid_crash_point_is_rejected(client, endpoint, kind, value, reason):
    assert errors_of(client, endpoint, **{kind: value}) == {kind: [reason]}


def test_a18_no_game_has_the_floor_zero(fetch, client):
    record(even(1, [100, 199, 200]))
    assert errors_of(client, "occurrences", floor=0) == {"floor": ["A crash point must be at least 1."]}
    assert fetch("occurrences", floor=1)["results"][0]["count"] == 2
    found = fetch("last-games", floor=1, limit=2)["results"][0]["games"]
    assert [one["crashed_floor"] for one in found] == [1, 1]


# Days on which clocks change, and a zone of quarters of an hour -------------------------------------------------------

SWITCHES = {
    "London, forward": ("Europe/London", datetime(2025, 3, 30, 1, tzinfo=UTC), ["+00:00", "+01:00"]),
    "London, back": ("Europe/London", datetime(2025, 10, 26, 1, tzinfo=UTC), ["+01:00", "+00:00"]),
    "New York, forward": ("America/New_York", datetime(2025, 3, 9, 7, tzinfo=UTC), ["-05:00", "-04:00"]),
    "New York, back": ("America/New_York", datetime(2025, 11, 2, 6, tzinfo=UTC), ["-04:00", "-05:00"]),
    "Kathmandu": ("Asia/Kathmandu", datetime(2025, 3, 30, 1, tzinfo=UTC), ["+05:45", "+05:45"]),
}
DAY = [300_000 * n for n in range(288)]  # a game each five minutes


@pytest.fixture(params=SWITCHES)
def switch(request, monkeypatch) -> tuple[str, int, list[str]]:
    """Record a day of games around a clock change and one before; return zone, time and both offsets of the change."""
    zone, moment, offsets = SWITCHES[request.param]
    switch_ms = round(moment.timestamp() * 1000)
    start = switch_ms - 12 * HOUR_MS
    games.put_all({1 + n: (200, start + after) for n, after in enumerate([-1, *DAY])})
    services.apply_pending()
    freeze(monkeypatch, start + 24 * HOUR_MS)
    return zone, switch_ms, offsets


@pytest.mark.parametrize("interval", [10, 30, 60])
def test_intervals_of_a_day_with_a_clock_change_lose_and_repeat_nothing(fetch, switch, interval):
    zone, switch_ms, offsets = switch
    start = switch_ms - 12 * HOUR_MS
    params = {"since": at(start, zone), "until": at(start + 24 * HOUR_MS, zone)}
    rows = fetch("intervals", min=2, interval=interval, tz=zone, **params)["results"][0]["intervals"]
    starts = [datetime.fromisoformat(row["start"]) for row in rows]
    assert [row["games"] for row in rows] == [interval // 5] * (24 * 60 // interval)
    assert all(later - earlier == timedelta(minutes=interval) for earlier, later in pairwise(starts))
    assert [row["start"] for row in rows] == [at(start + n * interval * 60_000, zone) for n in range(len(rows))]
    assert [earlier["end"] for earlier in rows[:-1]] == [later["start"] for later in rows[1:]]
    assert all(start.timestamp() % (interval * 60) == 0 for start in starts)
    half = 12 * 60 // interval
    assert [row["start"][-6:] for row in rows] == [offsets[0]] * half + [offsets[1]] * half


def test_local_hours_skip_one_or_repeat_one(fetch, switch):
    zone, switch_ms, offsets = switch
    params = {"since": at(switch_ms - 2 * HOUR_MS, zone), "until": at(switch_ms + 2 * HOUR_MS, zone)}
    rows = fetch("intervals", min=2, interval=60, tz=zone, **params)["results"][0]["intervals"]
    shown = [row["start"][11:16] for row in rows]
    expected = {
        ("+00:00", "+01:00"): ["23:00", "00:00", "02:00", "03:00"],
        ("+01:00", "+00:00"): ["00:00", "01:00", "01:00", "02:00"],
        ("-05:00", "-04:00"): ["00:00", "01:00", "03:00", "04:00"],
        ("-04:00", "-05:00"): ["00:00", "01:00", "01:00", "02:00"],
        ("+05:45", "+05:45"): ["04:45", "05:45", "06:45", "07:45"],
    }
    assert shown == expected[tuple(offsets)]


def test_24_hours_are_24_hours_also_when_clocks_change(fetch, switch):
    zone, switch_ms, _ = switch
    body = fetch("occurrences", min=2, hours=24, tz=zone)
    window = body["meta"]["window"]
    assert (window["games"], window["first_game"], window["last_game"], window["complete"]) == (288, 2, 289, True)
    assert window["from"] == at(switch_ms - 12 * HOUR_MS, zone)
    assert window["to"] == at(switch_ms + 12 * HOUR_MS, zone)
    in_zone = datetime.fromtimestamp(switch_ms / 1000, UTC).astimezone(ZoneInfo(zone))
    local_day = {"since": f"{in_zone:%Y-%m-%d}T00:00:00Z", "until": f"{in_zone:%Y-%m-%d}T06:00:00Z"}
    assert fetch("occurrences", min=2, tz=zone, **local_day)["results"][0]["games"] == sum(
        datetime.fromisoformat(local_day["since"]).timestamp()
        <= (switch_ms - 12 * HOUR_MS + after) / 1000
        < datetime.fromisoformat(local_day["until"]).timestamp()
        for after in [-1, *DAY]
    )


def test_every_time_of_every_endpoint_has_the_offset_valid_at_that_time(fetch, switch):
    zone, switch_ms, offsets = switch
    everything = {"tz": zone, "all": "true"}
    times = [
        *(
            row[name]
            for row in fetch("game-sets", min=2, size=1, **everything)["results"][0]["sets"]
            for name in ("start", "end")
        ),
        *(row["end_time"] for row in fetch("last-games", min=2, limit=100, tz=zone)["results"][0]["games"]),
        *(row["start"] for row in fetch("volatility", size=2, **everything)["results"][0]["blocks"]),
        *(
            row[name]
            for row in fetch("series", min=3, **everything)["results"][0]["series"]
            for name in ("start_time", "end_time")
        ),
    ]
    assert len(times) == 2 * 289 + 100 + 145 + 2
    before = [datetime.fromisoformat(one).timestamp() * 1000 < switch_ms for one in times]
    assert [one[-6:] for one in times] == [offsets[0] if early else offsets[1] for early in before]
    assert max(Counter(times[:578:2]).values()) == 1
