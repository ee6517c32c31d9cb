"""The dashboard as the server sends it: complete without JavaScript, rendered once per version."""

import csv
import io
import re
from dataclasses import replace
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from analytics import services
from games.services import record_games
from tests import chains
from tests.web.html import Page, page
from web.dashboard import rendering
from web.dashboard.panels import PANELS

pytestmark = pytest.mark.django_db


@pytest.fixture
def record(django_capture_on_commit_callbacks):
    """Record games, as committed, and apply them to the view."""

    def recorded(rounds):
        with django_capture_on_commit_callbacks(execute=True):
            record_games(rounds, source="test")
        services.apply_pending()

    return recorded


@pytest.fixture
def games(record):
    """300 genuine games, the newest a minute old, in table and view."""
    rounds = chains.timed(chains.bcgame_rounds(300), timezone.now() - timedelta(minutes=1))
    record(rounds)
    return rounds


def get(client, url="/"):
    response = client.get(url)
    assert response.status_code == 200, response.content
    return page(response)


def conditions(found: Page) -> dict[str, list[str]]:
    return {row[0]: row[1:] for row in found.rows if row and row[0].startswith(("at least", "at most"))}


def test_the_last_games_are_listed_newest_first_with_their_verdicts(client, games):
    found = get(client)
    shown = [int(chip["data-game"]) for chip in found.all("a") if "data-game" in chip]
    assert shown == [one.game_id for one in reversed(games)][:44]
    assert found.all("span", class_="mark ok")
    assert not found.all("span", class_="mark no")
    newest = games[-1]
    assert [tag["data-latest"] for tag in found.all("a") if "data-latest" in tag] == [str(newest.game_id)]
    assert f"{newest.crash_hundredths / 100:,.2f}\N{MULTIPLICATION SIGN}" in found.text


def test_a_game_that_its_hash_contradicts_is_marked(client, games, record):
    newest = games[-1]
    record([replace(newest, crash_hundredths=newest.crash_hundredths + 1)])
    found = get(client)
    assert len(found.all("span", class_="mark no")) == 1
    assert f"/games/{newest.game_id}/" in found.links()


def test_the_table_of_conditions_holds_shares_droughts_and_the_expected(client, games):
    points = [one.crash_hundredths for one in games]
    rows = conditions(get(client))
    met = sum(point >= 200 for point in points[-100:])
    since = next(i for i, point in enumerate(reversed(points)) if point >= 200)
    row = rows["at least 2\N{MULTIPLICATION SIGN}"]
    assert row[0] == "49.50%"
    assert row[1] == f"{met:.2f}%"
    assert row[3] == row[4] == f"{100 * sum(point >= 200 for point in points) / 300:.2f}%"
    assert (row[5], row[7]) == (str(since), "2.0")


def test_every_panel_links_to_its_api_calls_and_to_its_numbers(client, games):
    links = get(client, "/?max=1.5&hours=6&tz=Asia/Kathmandu").links()
    calls = {link for link in links if link.startswith("/api/") and link != "/api/docs/"}
    assert len(calls) >= 11
    for call in calls:
        assert client.get(call).status_code == 200, call
    files = [link for link in links if ".csv" in link]
    assert [file.partition(".csv")[0].removeprefix("/panels/") for file in files] == [*PANELS]
    assert all(file.endswith("?max=1.5&hours=6&tz=Asia/Kathmandu") for file in files)
    for file in files:
        response = client.get(file)
        assert (response.status_code, response["Content-Type"]) == (200, "text/csv; charset=utf-8")
        lines = list(csv.reader(io.StringIO(response.content.decode())))
        assert len(lines) > 1
        assert {len(line) for line in lines} == {len(lines[0])}


def test_the_csv_of_a_panel_has_the_numbers_of_the_api(client, games):
    lines = list(csv.DictReader(io.StringIO(client.get("/panels/heat.csv?min=3&hours=6").content.decode())))
    intervals = client.get("/api/analytics/intervals/?min=3&hours=6&interval=10").json()["results"][0]["intervals"]
    assert [(line["start"], int(line["count"]), int(line["games"])) for line in lines] == [
        (one["start"], one["count"], one["games"]) for one in intervals
    ]
    assert len(lines) == 36


def test_the_csv_of_a_panel_writes_times_and_verdicts_as_the_export_does(client, games):
    exported = b"".join(client.get("/api/games/export/?format=csv").streaming_content).decode()
    by_id = {line["game_id"]: line for line in csv.DictReader(io.StringIO(exported))}
    lines = list(csv.DictReader(io.StringIO(client.get("/panels/strip.csv").content.decode())))
    assert len(lines) == 44
    for line in lines:
        assert line == {name: by_id[line["game_id"]][name] for name in line}
    assert (lines[0]["verified"], lines[0]["end_time"][-1]) == ("true", "Z")


def test_the_url_determines_what_is_shown(client, games):
    found = get(client, "/?floor=2&hours=168&games=1000&sort=length&tz=Europe/London")
    text = found.text
    times = "\N{MULTIPLICATION SIGN}"
    assert f"2.00{times} to 2.99{times} by the hour" in text
    assert "in 7 days" in text
    chosen = {tag["value"] for tag in found.all("option") if "selected" in tag}
    assert chosen == {"floor", "168", "1000"}
    assert found.all("input", name="tz")[0]["value"] == "Europe/London"
    assert found.all("input", name="value")[0]["value"] == "2"
    assert {link["href"] for link in found.all("a", aria_current="true")} >= {
        "/?floor=2&hours=168&games=1000&sort=length&tz=Europe/London"
    }


def test_the_form_without_javascript_leads_to_the_short_url(client):
    response = client.get("/?kind=max&value=1.5&hours=24&games=10000&tz=UTC&sort=time")
    assert (response.status_code, response["Location"]) == (302, "/?max=1.5")
    response = client.get("/?kind=min&value=10&hours=72&games=all&tz=Europe/London&sort=length")
    assert response["Location"] == "/?hours=72&games=all&sort=length&tz=Europe/London"
    assert client.get("/?kind=min&value=10&hours=24")["Location"] == "/"


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("max=0.2&hours=72&tz=Europe/London&sort=length", "max: "),
        ("max=0.2&hours=72&tz=Europe/London&sort=time&sort=length", "sort: Given more than once."),
    ],
)
def test_an_invalid_value_is_reported_above_the_form_as_it_was_filled(client, query, why):
    response = client.get(f"/?{query}")
    found = page(response)
    assert (response.status_code, why in found.text) == (400, True)
    assert {tag["value"] for tag in found.all("option") if "selected" in tag} == {"max", "72", "10000"}
    assert [found.all("input", name=name)[0]["value"] for name in ("value", "tz", "sort")] == [
        "0.2",
        "Europe/London",
        "length",
    ]


def test_foreign_parameters_are_no_part_of_the_cache_key(client, games):
    assert client.get("/panels/?min=5")["X-Cache"] == "MISS"
    assert client.get("/panels/?min=5&utm_source=mail&fbclid=x")["X-Cache"] == "HIT"


def test_a_version_is_rendered_once(client, games, record, monkeypatch):
    calls = []
    render = rendering._render
    monkeypatch.setattr(rendering, "_render", lambda *arguments: calls.append(arguments[0]) or render(*arguments))
    get(client)
    assert len(calls) == len(PANELS) + 1
    response = client.get("/panels/?min=10")
    assert response["X-Cache"] == "HIT"
    get(client)
    assert len(calls) == len(PANELS) + 1
    body = response.json()
    assert set(body) == {"version", "generated_at", "answered", "panels"}
    assert set(body["panels"]) == {*PANELS, "status"}
    record([replace(games[-1], crash_hundredths=games[-1].crash_hundredths + 1)])
    assert client.get("/panels/?min=10")["X-Cache"] == "MISS"


def test_the_panels_fetched_later_are_those_of_the_page(client, games):
    html = client.get("/?min=5").content.decode()
    for name, panel in client.get("/panels/?min=5").json()["panels"].items():
        assert panel in html, name


def test_without_a_game_the_page_says_so(client):
    services.apply_pending()
    found = get(client)
    assert "No games yet. This page shows them as soon as one is recorded." in found.text
    assert conditions(found)["at least 2\N{MULTIPLICATION SIGN}"][1:5] == ["\N{EN DASH}"] * 4


def test_without_a_view_the_data_come_from_the_database(client):
    record_games(chains.bcgame_rounds(20), source="test")
    found = get(client)
    assert "View being built until then data come from the database" in found.text
    assert len([chip for chip in found.all("a") if "data-game" in chip]) == 20


def test_without_redis_the_data_come_from_the_database_and_the_page_says_so(client, games, valkey):
    before = conditions(get(client))
    valkey.stop()
    found = get(client)
    assert "Redis unavailable data come from the database: correct, but slower" in found.text
    assert conditions(found) == before


def test_a_condition_that_is_almost_never_met_is_still_shown(client, games):
    row = conditions(get(client, "/?min=10000000"))["at least 10000000\N{MULTIPLICATION SIGN}"]
    assert (row[0], row[1], row[7]) == ("0.0000099%", "0.00%", "10,101,010")


@pytest.mark.parametrize("query", ["tz=Mars", "hours=7", "colour=red"])
def test_an_invalid_parameter_leaves_the_condition_as_it_is(client, query):
    found = page(client.get(f"/?{query}"))
    assert found.all("input", name="value")[0]["value"] == "10"


def test_times_are_shown_with_their_zone(client, games):
    text = get(client, "/?tz=Asia/Kolkata").text
    shown = games[-1].end_time.astimezone(ZoneInfo("Asia/Kolkata"))
    assert f"{shown:%H:%M:%S} Asia/Kolkata" in text
    assert "Times are Asia/Kolkata" in text
    assert "From (Asia/Kolkata)" in text
    assert "Began (Asia/Kolkata)" in text


def test_links_to_a_game_keep_the_zone_of_the_page(client, games):
    to_games = re.compile(r"/games/\d+/")
    for url in ("/?tz=Etc/GMT%2B5", "/games/?tz=Etc/GMT%2B5", f"/games/{games[5].game_id}/?tz=Etc/GMT%2B5"):
        links = [link for link in get(client, url).links() if to_games.match(link)]
        assert len(links) > 1
        assert all(link.endswith("/?tz=Etc/GMT%2B5") for link in links)
        assert "Etc/GMT+5" in get(client, links[0]).text


def test_a_large_multiplier_is_shortened_in_its_chip_and_exact_beside_it(client, games, record):
    record([replace(games[-1], crash_hundredths=199_999)])
    found = get(client)
    times = "\N{MULTIPLICATION SIGN}"
    assert f"1,999.99{times}" in found.text
    assert f"1,999{times}" in found.text


@pytest.mark.parametrize("query", ["min=1", "max=1", "floor=1", "max=10000000", "floor=10000000"])
def test_the_ends_of_the_scale_are_conditions_too(client, games, query):
    get(client, f"/?{query}")
