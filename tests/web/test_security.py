"""Hostile parameters never become markup, and pages load nothing but our own files."""

import json
from pathlib import Path
from urllib.parse import quote

import pytest
from django.contrib.staticfiles import finders

from games.fairness import FORMULAS
from games.services import record_games
from tests import chains
from tests.web.html import Page, page
from web import service_worker
from web.csp import STRICT, STYLES_INLINE

pytestmark = pytest.mark.django_db

SCRIPT = "<script>alert(1)</script>"
BREAKOUT = '"><img src=x onerror=alert(1)>'
HOSTILE_TEXTS = [SCRIPT, BREAKOUT, "' onfocus=alert(1) x='", "{{7*7}}{% debug %}", "\x00"]
FIELDS = {
    "/": ("min", "max", "floor", "hours", "games", "sort", "tz", "colour"),
    "/games/": ("min", "since", "tz", "ordering", "per_page", "page", "verified", "colour"),
    "/verify/": ("site", "game_id", "hash", "crash_point", "tz", "colour"),
}
HOSTILE = [(path, name, text) for path, names in FIELDS.items() for name in names for text in HOSTILE_TEXTS]


@pytest.fixture(autouse=True)
def _games():
    record_games(chains.bcgame_rounds(30), source="test")


@pytest.mark.parametrize(("path", "name", "text"), HOSTILE)
def test_a_hostile_parameter_is_rejected_or_ignored_and_never_becomes_markup(client, path, name, text):
    given = {name: text}
    if path == "/verify/":
        given = {"game_id": "5900000", "hash": "a" * 64} | given
    response = client.get(path, given)
    assert response.status_code == (200 if name == "colour" else 400)  # no page has a parameter of that name
    found = page(response)
    assert not found.all("img")
    assert all(tag.get("src") for tag in found.all("script"))
    assert not any(key.startswith("on") for _, attrs in found.tags for key in attrs)
    assert not any((link or "").startswith("javascript:") for link in found.links())


def test_a_path_never_becomes_markup(client):
    response = client.get("/" + quote(SCRIPT) + "/")
    assert response.status_code == 404
    assert SCRIPT not in response.content.decode()


@pytest.mark.parametrize("path", ["/", "/games/", f"/games/{chains.BCGAME_LAST}/", "/verify/", "/nothing/", "/?x=1"])
def test_every_page_has_the_strict_policy_and_nothing_inline(client, path):
    response = client.get(path)
    assert response["Content-Security-Policy"] == STRICT
    found: Page = page(response)
    assert not found.all("style")
    assert not any("style" in attrs for _, attrs in found.tags)
    assert all(tag["src"].startswith("/static/") for tag in found.all("script"))
    assert all(tag["href"].startswith("/static/") for tag in found.all("link"))
    assert "unsafe" not in STRICT


def test_only_the_documentation_may_set_styles_inline(client):
    assert client.get("/api/docs/")["Content-Security-Policy"] == STYLES_INLINE
    assert client.get("/admin/login/")["Content-Security-Policy"] == STRICT
    assert "script-src 'self';" in STYLES_INLINE
    assert "Content-Security-Policy" not in client.get("/api/games/")


def test_the_api_documentation_has_no_inline_script(client):
    assert all(tag.get("src") for tag in page(client.get("/api/docs/")).all("script"))


@pytest.mark.parametrize("path", ["/", "/games/", f"/games/{chains.BCGAME_LAST}/", "/verify/"])
def test_pages_need_no_session_and_are_read_only(client, path):
    response = client.get(path)
    assert not response.cookies
    assert client.post(path).status_code == 405
    assert client.head(path).status_code == 200


@pytest.mark.parametrize("path", ["/", "/games/", f"/games/{chains.BCGAME_LAST}/", "/verify/"])
def test_every_page_has_landmarks_one_heading_and_named_controls(client, path):
    found = page(client.get(path))
    for landmark in ("header", "nav", "main", "footer"):
        assert found.all(landmark)
    assert len(found.all("h1")) == 1
    assert found.all("html", lang="en")
    assert len(found.all("caption")) == len(found.all("table"))
    labelled = {tag["for"] for tag in found.all("label")}
    controls = [*found.all("input"), *found.all("select")]
    assert all(c.get("id") in labelled or c.get("aria-label") or c.get("type") == "hidden" for c in controls)
    identities = [attrs["id"] for _, attrs in found.tags if attrs.get("id")]
    assert len(identities) == len(set(identities))


def test_the_shell_of_the_service_worker_has_every_script(client):
    directory = Path(finders.find("site/js/main.js")).parent
    assert sorted(path.stem for path in directory.glob("*.js")) == sorted(service_worker.SCRIPTS)
    response = client.get("/service-worker.js")
    assert response["Content-Type"] == "text/javascript; charset=utf-8"
    for name in service_worker.SHELL:
        assert f"/static/{name}" in response.content.decode()


def test_the_service_worker_changes_with_a_file_of_its_shell(client, settings, tmp_path):
    before = client.get("/service-worker.js").content
    assert client.get("/service-worker.js").content == before
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "style.css").write_text("/* the next deployment's */")
    settings.STATICFILES_DIRS = [tmp_path]
    finders.get_finder.cache_clear()
    try:
        assert client.get("/service-worker.js").content != before
    finally:
        finders.get_finder.cache_clear()


def test_a_page_without_a_link_to_the_icon_finds_it(client):
    assert client.get("/favicon.ico")["Location"] == "/static/site/favicon.svg"


def test_the_formulas_of_the_browser_equal_those_of_the_server():
    text = Path(finders.find("site/js/formulas.js")).read_text()
    rows = json.loads(text[text.index("[") : text.rindex("]") + 1])
    assert rows == [
        {
            "name": formula.name,
            "site": formula.site,
            "first_game": formula.first_game,
            "last_game": formula.last_game,
            "chain": formula.chain,
            "chain_step": formula.chain_step.name,
            "randomness": formula.randomness.name,
            "salt": formula.salt,
            "significant_digits": formula.significant_digits,
            "edge_percent": formula.edge_percent,
        }
        for formula in FORMULAS
    ]
