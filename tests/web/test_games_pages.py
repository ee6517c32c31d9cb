"""The table of games, a game's page, and the verification of a hash on the server."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from games import fairness
from games.services import record_games
from tests import chains
from tests.web.html import page

pytestmark = pytest.mark.django_db

TIMES = "\N{MULTIPLICATION SIGN}"
END = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def games():
    rounds = chains.timed(chains.bcgame_rounds(120), END)
    record_games(rounds, source="test")
    return rounds


def ids(found) -> list[int]:
    return [int(row["data-game"]) for row in found.all("tr") if "data-game" in row]


def test_the_table_lists_the_newest_games_first_in_pages(client, games):
    found = page(client.get("/games/"))
    assert ids(found) == [one.game_id for one in reversed(games)][:25]
    assert "Page 1 of 5" in found.text
    [following] = found.all("a", rel="next")
    assert ids(page(client.get(following["href"]))) == [one.game_id for one in reversed(games)][25:50]
    assert not found.all("a", rel="prev")


def test_filters_are_in_the_url_and_in_the_form(client, games):
    found = page(client.get("/games/?min=10&ordering=-crash_point&per_page=100&max=&verified=&since=&until=&tz="))
    expected = sorted((one for one in games if one.crash_hundredths >= 1000), key=lambda one: -one.crash_hundredths)
    assert ids(found) == [one.game_id for one in expected]
    assert found.all("input", name="min")[0]["value"] == "10"
    [api] = [link for link in found.links() if link.startswith("/api/games/?")]
    assert [one["game_id"] for one in client.get(api).json()["results"]] == ids(found)
    [sheet] = [link for link in found.links() if link.startswith("/api/games/export/")]
    lines = b"".join(client.get(sheet).streaming_content).decode().splitlines()
    assert [int(line.split(",")[0]) for line in lines[1:]] == ids(found)


def test_a_time_without_an_offset_is_in_the_zone_of_the_page(client, games):
    """A browser's field sends such a time: 13:00 in Berlin is noon UTC, the end of the newest game."""
    assert ids(page(client.get("/games/?since=2026-03-01T13:00&tz=Europe/Berlin"))) == [games[-1].game_id]
    assert ids(page(client.get("/games/?since=2026-03-01T13:00"))) == []
    assert "13:00:00" in page(client.get("/games/?since=2026-03-01T13:00&tz=Europe/Berlin")).text


def test_an_empty_table_and_an_empty_result_say_so(client):
    assert "No games yet." in page(client.get("/games/")).text
    record_games(chains.bcgame_rounds(1), source="test")
    assert "No game matches." in page(client.get("/games/?min=9999999")).text


@pytest.mark.parametrize(
    ("query", "chosen"), [("", "25"), ("per_page=50", "50"), ("per_page=50&min=x", "50"), ("min=x", "25")]
)
def test_the_form_shows_the_page_size_also_with_an_error(client, query, chosen):
    found = page(client.get(f"/games/?{query}"))
    numbers = {str(n) for n in (10, 25, 50, 100)}
    assert [tag["value"] for tag in found.all("option") if "selected" in tag and tag["value"] in numbers] == [chosen]


def test_a_page_past_the_last_is_not_found(client, games):
    response = client.get("/games/?page=99")
    assert response.status_code == 404
    assert "page: Page 99 does not exist. The last page is 5." in page(response).text


def test_a_game_shows_every_step_as_the_formula_computes_it(client, games):
    one = games[50]
    found = page(client.get(f"/games/{one.game_id}/"))
    steps = fairness.explain("bcgame", one.game_id, one.hash)
    for value in (steps.hash, steps.salt, steps.first_digits, steps.r, steps.x, steps.rounded_x, steps.quotient):
        assert str(value) in found.text
    assert found.all("code", data_step="crash_hundredths")
    assert f"{one.crash_hundredths / 100:,.2f}{TIMES}" in found.text
    assert "The hash gives exactly this crash point" in found.text
    assert "Unbroken: this hash was fixed before" in found.text
    assert games[51].hash in found.text
    assert {f"/games/{games[49].game_id}/", f"/games/{games[51].game_id}/"} <= set(found.links())


def test_the_newest_game_has_no_link_forward(client, games):
    found = page(client.get(f"/games/{games[-1].game_id}/"))
    assert f"/games/{games[-1].game_id + 1}/" not in found.links()
    assert "Unknown: the next game is not recorded" in found.text


def test_a_mismatch_and_a_broken_link_are_shown(client):
    first, second = chains.bcgame_rounds(2)
    record_games(
        [replace(first, crash_hundredths=first.crash_hundredths + 5), replace(second, hash="ab" * 32)], source="test"
    )
    found = page(client.get(f"/games/{first.game_id}/"))
    right = f"{first.crash_hundredths / 100:,.2f}{TIMES}"
    wrong = f"{(first.crash_hundredths + 5) / 100:,.2f}{TIMES}"
    assert f"The hash gives {right}, not {wrong}" in found.text
    assert "Broken: the next game's hash does not lead here" in found.text


def test_a_game_without_a_hash_says_why_nothing_can_be_verified(client):
    record_games([replace(chains.bcgame_rounds(1)[0], hash=None)], source="test")
    found = page(client.get(f"/games/{chains.BCGAME_LAST}/"))
    assert "The source did not report a hash." in found.text


def test_a_game_that_is_not_recorded_is_not_found(client):
    for game_id in (1, 2**53, 10**18):
        response = client.get(f"/games/{game_id}/")
        assert response.status_code == 404
        assert "the game is not recorded" in page(response).text


def test_any_hash_is_verified_without_a_database(client, django_db_blocker):
    one = chains.bcgame_rounds(1)[0]
    url = f"/verify/?site=bcgame&game_id={one.game_id}&hash={one.hash.upper()}"
    with django_db_blocker.block():
        right = page(client.get(f"{url}&crash_point={one.crash_hundredths / 100}"))
        wrong = page(client.get(f"{url}&crash_point={one.crash_hundredths / 100 + 1}"))
        silent = page(client.get(url))
        empty = client.get("/verify/")
    point, other = (
        f"{hundredths / 100:,.2f}{TIMES}" for hundredths in (one.crash_hundredths, one.crash_hundredths + 100)
    )
    assert f"The hash gives exactly {point}" in right.text
    assert f"The hash gives {point}, not {other}" in wrong.text
    assert f"The hash gives {point}" in silent.text
    assert empty.status_code == 200


@pytest.mark.parametrize("game_id", ["5899999", " 5899999 ", "#5899999", "Game #5899999", "game 5899999"])
@pytest.mark.parametrize("crash_point", ["1234.56", "1,234.56", "1234.56x", "1,234.56 X", "1234.560", "1234.56\u00d7"])
def test_verify_accepts_what_an_imported_file_may_contain(client, game_id, crash_point):
    """As sites display them: a person pastes what the site's history page shows."""
    found = client.get("/verify/", {"game_id": game_id, "hash": "A" * 64, "crash_point": crash_point})
    assert (found.status_code, found.context["claimed"]) == (200, 123_456)
    assert found.context["steps"] == fairness.explain("bcgame", 5_899_999, "a" * 64)


@pytest.mark.parametrize(
    ("parameters", "errors"),
    [
        ({"crash_point": "12,34"}, {"crash_point": ["Expected a number, got '12,34'."]}),
        (
            {"crash_point": "2.345"},
            {"crash_point": ["Expected a number with at most two decimals, such as 2 or 2.34. Got '2.345'."]},
        ),
        ({"crash_point": "0.5x"}, {"crash_point": ["A crash point must be at least 1. Got '0.5x'."]}),
        ({"game_id": "1e3"}, {"game_id": ["Expected a whole number, got '1e3'."]}),
        ({"game_id": "0"}, {"game_id": ["Ensure this value is greater than or equal to 1."]}),
    ],
)
def test_verify_refuses_what_an_imported_file_may_not_contain(client, parameters, errors):
    found = client.get("/verify/", {"game_id": "5899999", "hash": "a" * 64} | parameters)
    assert (found.status_code, found.context["errors"]) == (400, errors)


def test_an_invalid_hash_is_rejected_with_the_reason(client):
    response = client.get("/verify/?game_id=5900000&hash=xyz")
    assert response.status_code == 400
    assert "hash: Expected 64 hexadecimal digits, got 3." in page(response).text
    response = client.get("/verify/?hash=" + "a" * 64)
    assert (response.status_code, "game_id: This field is required." in page(response).text) == (400, True)


@pytest.mark.parametrize(
    ("game_id", "why"), [(6_500_000, "No formula is known for this game."), (7_100_870, "bcgame-0301e280")]
)
def test_the_era_is_chosen_by_the_id_of_the_game(client, game_id, why):
    assert why in page(client.get(f"/verify/?game_id={game_id}&hash={'1' * 64}")).text
