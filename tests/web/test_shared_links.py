"""A link that was shared, mailed or advertised carries parameters that the pages do not know: it works all the same."""

import re

import pytest

from games.services import record_games
from tests import chains

pytestmark = pytest.mark.django_db(transaction=True)

TRACKING = "utm_source=mail&utm_source=again&fbclid=x%00%22%3E"
NEWEST = chains.BCGAME_LAST


@pytest.fixture(autouse=True)
def games():
    record_games(chains.bcgame_rounds(30), source="test")


def masked(response):
    """Return the page without the times at which it was made and the hit rate at that moment."""
    return re.sub(r"\d{4}-\d{2}-\d{2}T[\d:.]+Z|\d{2}:\d{2}:\d{2}|hits <b>[\d.]+%</b>", "", response.content.decode())


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/?min=5&hours=6",
        "/games/",
        "/games/?min=2&per_page=10",
        f"/games/{NEWEST}/",
        "/verify/",
        "/verify/?site=bcgame",
    ],
)
def test_a_page_is_the_same_with_foreign_parameters(client, path):
    plain = client.get(path)
    shared = client.get(f"{path}{'&' if '?' in path else '?'}{TRACKING}")
    assert (plain.status_code, shared.status_code) == (200, 200)
    assert masked(shared) == masked(plain)
    assert "utm_source" not in shared.content.decode()


def test_the_numbers_of_a_panel_ignore_them_too(client):
    assert client.get(f"/panels/strip.csv?{TRACKING}").status_code == 200


def test_the_api_refuses_them_by_name(client):
    response = client.get("/api/games/?fbclid=x")
    assert (response.status_code, response.json()["errors"]) == (400, {"fbclid": ["Unknown parameter."]})
