"""A real Chromium on the project's own web server. Without the two the tests here are skipped and say what is missing.

BROWSER_REQUIRED=1 (`make test-browser`) makes that a failure. CHROMIUM names the program where it is not on the path.
"""

import os
import shutil
from datetime import timedelta
from importlib.util import find_spec

import pytest
from django.utils import timezone

from analytics import services
from games.services import record_games
from tests import chains
from tests.pages.processes import web_server

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
FIRST = 300  # games before the page is opened


def _missing() -> str | None:
    if find_spec("playwright") is None or find_spec("axe_playwright_python") is None:
        return "playwright and axe-playwright-python are not installed"
    if _chromium() is None:
        return "no Chromium is installed (Debian: apt-get install chromium)"
    return None


def _chromium() -> str | None:
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, PROGRAMS)), None)


def pytest_collection_modifyitems(items):
    missing = _missing()
    if missing is None or os.environ.get("BROWSER_REQUIRED") == "1":
        return
    for item in items:
        if "tests/browser" in item.path.as_posix():
            item.add_marker(pytest.mark.skip(reason=missing))


@pytest.fixture(scope="session")
def chromium():
    if missing := _missing():
        pytest.fail(missing)
    from playwright.sync_api import sync_playwright

    # Playwright's loop runs in this thread; Django would refuse to touch the database beside it.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_chromium(), args=["--no-sandbox"])
        yield browser
        browser.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture
def rounds(chromium, transactional_db):
    """Genuine games, the newest FIRST of which are recorded and in the view; the rest is for `play`."""
    told = chains.timed(chains.bcgame_rounds(FIRST + 100), timezone.now() - timedelta(seconds=5))
    record_games(told[:FIRST], source="test")
    services.apply_pending()
    return told


@pytest.fixture
def play(rounds):
    """Play the next n games: recorded and applied one after the other; returns their ids."""
    following = iter(rounds[FIRST:])

    def played(n):
        ids = []
        for _ in range(n):
            told = next(following)
            record_games([told], source="test")
            services.apply_pending()
            ids.append(told.game_id)
        return ids

    return played


@pytest.fixture
def base(rounds, tmp_path):
    with web_server(tmp_path / "web.log") as address:
        yield address


@pytest.fixture
def visit(chromium, base):
    """Open a page in a context of its own; at the end no console may hold an error, unless `complaints` was cleared.

    After `base`, so that pages are closed before their server is.
    """
    contexts = []
    complaints: list[str] = []

    def visited(url, **options):
        context = chromium.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(url)
        return page

    visited.complaints = complaints
    yield visited
    for context in contexts:
        context.close()
    assert complaints == []
