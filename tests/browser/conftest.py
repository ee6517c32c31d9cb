"""Run a real Chromium against the project's web server. Without a browser the tests are skipped with the reason.

BROWSER_REQUIRED=1 (`make test-browser`) makes a missing browser a failure.
"""

import os
from datetime import timedelta

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from analytics import services
from games.services import record_games
from tests import chains
from tests.browser import chromium as program
from tests.processes import web_server

FIRST = 300  # games before the page is opened
AT_HOME = {"domain": "127.0.0.1", "path": "/", "expires": -1, "httpOnly": True, "secure": False, "sameSite": "Lax"}


def pytest_collection_modifyitems(items):
    if os.environ.get("BROWSER_REQUIRED") == "1" or (missing := program.missing()) is None:
        return
    for item in items:
        if "tests/browser" in item.path.as_posix():
            item.add_marker(pytest.mark.skip(reason=missing))


@pytest.fixture(scope="session")
def chromium():
    if missing := program.missing():
        pytest.fail(missing)
    from playwright.sync_api import sync_playwright

    # Playwright's event loop runs in this thread, in which Django would refuse to use the database.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program.path(), args=["--no-sandbox"])
        yield browser
        browser.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture
def rounds(chromium, transactional_db):
    """Return genuine games. The first FIRST of them are recorded and in the view; `play` records the rest."""
    rounds = chains.timed(chains.bcgame_rounds(FIRST + 100), timezone.now() - timedelta(seconds=5))
    record_games(rounds[:FIRST], source="test")
    services.apply_pending()
    return rounds


@pytest.fixture
def play(rounds):
    """Return a function that records and applies the next n games one after the other and returns their ids."""
    following = iter(rounds[FIRST:])

    def played(n):
        ids = []
        for _ in range(n):
            one = next(following)
            record_games([one], source="test")
            services.apply_pending()
            ids.append(one.game_id)
        return ids

    return played


@pytest.fixture
def base(rounds, tmp_path):
    with web_server(tmp_path / "web.log", SECRET_KEY=settings.SECRET_KEY) as address:
        yield address


@pytest.fixture
def signed_in(transactional_db):
    """Return the `storage_state` of a browser context in which a superuser is logged in."""
    client = Client()
    client.force_login(User.objects.create_superuser("operator"))
    return {"cookies": [{"name": "sessionid", "value": client.cookies["sessionid"].value, **AT_HOME}], "origins": []}


@pytest.fixture
def visit(chromium, base):
    """Return a function that opens a page in a context of its own.

    At the end no console may contain an error, unless the test cleared `console_errors`. The fixture depends on `base`,
    so that pages are closed before their server.
    """
    contexts = []
    console_errors: list[str] = []

    def visited(url, **options):
        context = chromium.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: console_errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: console_errors.append(str(error)))
        page.goto(url)
        return page

    visited.console_errors = console_errors
    yield visited
    for context in contexts:
        context.close()
    assert console_errors == []
