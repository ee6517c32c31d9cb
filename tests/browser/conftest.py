"""A real Chromium on the project's own web server. Without the two the tests here are skipped and say what is missing.

BROWSER_REQUIRED=1 (`make test-browser`) makes that a failure.
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
from tests.web.processes import web_server

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

    # Playwright's loop runs in this thread; Django would refuse to touch the database beside it.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program.path(), args=["--no-sandbox"])
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
    with web_server(tmp_path / "web.log", SECRET_KEY=settings.SECRET_KEY) as address:
        yield address


@pytest.fixture
def signed_in(transactional_db):
    """What a browser holds of one who may do everything: `storage_state` of a context."""
    client = Client()
    client.force_login(User.objects.create_superuser("operator"))
    return {"cookies": [{"name": "sessionid", "value": client.cookies["sessionid"].value, **AT_HOME}], "origins": []}


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
