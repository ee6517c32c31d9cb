"""Take a picture of every page and state: `make screenshots` writes docs/screenshots/. Nothing is asserted."""

import urllib.request
from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone
from playwright.sync_api import expect

from analytics import services, tasks
from games.services import record_games
from tests import chains
from tests.processes import PROJECT, free_port, status_of, web_server

PICTURES = PROJECT / "docs" / "screenshots"
GAMES = 3_300
SPACING = timedelta(seconds=27)  # a day holds 3,200 of them
NO_DATABASE = "postgres://user@127.0.0.1:1/nothing"
LIVE = '[data-connection="live"]'


@pytest.fixture
def games(chromium, transactional_db):
    rounds = chains.timed(chains.bcgame_rounds(GAMES + 5), timezone.now(), SPACING)
    record_games(rounds[:GAMES], source="replay")
    services.apply_pending()
    return rounds


@pytest.fixture
def shoot(chromium):
    """Return a function that takes a picture of a whole page or of its visible part, after calling `act`."""

    def shot(name, url, act=None, *, width=1440, height=900, dark=False, whole=True, signed_in=None):
        context = chromium.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            reduced_motion="reduce",
            storage_state=signed_in,
        )
        page = context.new_page()
        page.goto(url)
        if act is not None:
            act(page)
        page.screenshot(path=PICTURES / f"{name}.png", full_page=whole)
        context.close()

    return shot


def live(page):
    expect(page.locator(LIVE)).to_be_visible()


def test_pages(games, shoot, tmp_path):
    game, following = games[GAMES - 40], games[GAMES - 39]
    query = f"site=bcgame&game_id={game.game_id}&hash={game.hash}&crash_point="

    def verify_here(page):
        page.get_by_role("button", name="Verify these in this browser").click()
        expect(page.locator("[data-verify-result]")).to_be_visible()

    with web_server(tmp_path / "log") as base:
        for _ in range(20):
            status_of(f"{base}/panels/?min=10")  # for a meaningful hit rate
        shoot("dashboard", base, live)
        shoot("dashboard-dark", f"{base}/?min=2", live, dark=True)
        shoot("dashboard-week-by-length", f"{base}/?min=10&hours=168&sort=length", live)
        shoot("dashboard-768-dark", base, live, width=768, height=1024, dark=True)
        shoot("dashboard-360", base, live, width=360, height=780)
        shoot("games", f"{base}/games/?min=2&per_page=25")
        shoot("games-verified", f"{base}/games/?per_page=10", verify_here)
        shoot("games-360-dark", f"{base}/games/?per_page=10", width=360, height=780, dark=True)
        shoot("game", f"{base}/games/{game.game_id}/")
        shoot("game-360-dark", f"{base}/games/{game.game_id}/", width=360, height=780, dark=True)
        shoot("verify", f"{base}/verify/?{query}{game.crash_hundredths / 100}")
        shoot("verify-refused-dark", f"{base}/verify/?{query}{following.crash_hundredths / 100 + 1}", dark=True)
        shoot("verify-empty", f"{base}/verify/", whole=False)
        shoot("refused", f"{base}/?min=abc&colour=red", whole=False, height=560)
        shoot("not-found", f"{base}/games/1/", whole=False, height=560)


def test_connection(games, shoot, tmp_path):
    port = free_port()

    def cut(page):
        page.evaluate("navigator.serviceWorker.ready")
        page.reload()
        live(page)
        server.close()
        expect(page.locator("[data-connection=lost]")).to_contain_text("Reconnecting")

    def offline(page):
        page.evaluate("navigator.serviceWorker.ready")
        page.reload()
        live(page)
        page.context.set_offline(True)
        page.reload()
        expect(page.locator("[data-connection=lost]")).to_contain_text("Offline")

    server = _Server(tmp_path / "log", port)
    shoot("state-offline", server.base, offline, whole=False)
    shoot("state-stream-lost", server.base, cut, whole=False)
    with (
        web_server(tmp_path / "log", STREAM_MAX_PER_ADDRESS="1") as base,
        urllib.request.urlopen(f"{base}/api/stream/", timeout=20),  # noqa: S310  # the only stream that is allowed
    ):
        shoot("state-polling", base, _polling, whole=False)


def _polling(page):
    expect(page.locator("[data-connection=polling]")).to_be_visible(timeout=15_000)


def test_no_games(chromium, transactional_db, shoot, tmp_path):
    services.apply_pending()
    with web_server(tmp_path / "log") as base:
        shoot("state-no-games", base, live)


def test_view_being_built(chromium, transactional_db, shoot, tmp_path):
    record_games(chains.timed(chains.bcgame_rounds(GAMES), timezone.now(), SPACING), source="replay")
    with web_server(tmp_path / "log") as base:
        shoot("state-view-building", base, whole=False)


def test_unavailable(games, shoot, signed_in, tmp_path, valkey):
    with web_server(tmp_path / "log", DATABASE_URL=NO_DATABASE) as base:
        shoot("state-database-away", base)
        shoot("state-database-away-games", f"{base}/games/", whole=False, height=560)
    with web_server(tmp_path / "log", SECRET_KEY=settings.SECRET_KEY) as base:
        valkey.stop()
        shoot("state-redis-away", base, whole=False)
        shoot("admin-redis-away", f"{base}/admin/", signed_in=signed_in)


def test_admin(games, shoot, signed_in, tmp_path):
    tasks.reconcile_newest()
    with web_server(tmp_path / "log", SECRET_KEY=settings.SECRET_KEY) as base:
        for path in ("/", "/?min=2", "/", "/games/", "/"):
            status_of(base + path)
        admin = f"{base}/admin"
        shoot("admin", f"{admin}/", signed_in=signed_in)
        shoot("admin-dark", f"{admin}/", signed_in=signed_in, dark=True)
        shoot("admin-360", f"{admin}/", signed_in=signed_in, width=360, height=780)
        shoot("admin-live-view", f"{admin}/analytics/liveview/", signed_in=signed_in)
        shoot("admin-cache-dark", f"{admin}/cachecore/cache/", signed_in=signed_in, dark=True)
        shoot("admin-cache", f"{admin}/cachecore/cache/", signed_in=signed_in)
        shoot("admin-ask", f"{admin}/analytics/liveview/rebuild/view/", signed_in=signed_in, whole=False, height=560)
        shoot("admin-games", f"{admin}/games/game/", signed_in=signed_in, whole=False)
        shoot("admin-login", f"{admin}/login/", whole=False, height=560)


class _Server:
    """A web server that can be closed while a page is open."""

    def __init__(self, log, port):
        self._context = web_server(log, port)
        self.base = self._context.__enter__()

    def close(self):
        self._context.__exit__(None, None, None)
