"""Fixtures that every test may use, and a summary that says what ran on what."""

from collections import Counter

import pytest
from django.db import connection

from analytics import wakeup
from cachecore.redis_client import connections
from cachecore.responses import caching
from cachecore.service import cache
from cachecore.stats import stats
from cachecore.writes import retry_queue
from tests import flushing, servers

ROLES = ("cache", "state")


@pytest.fixture
def valkey():
    """The test run's own Valkey: stop it, hang it, start it again. It runs again, empty, after the test."""
    yield servers.valkey
    servers.valkey.resume()
    if not servers.valkey.running:
        servers.valkey.start()


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup, django_db_blocker):
    """Set up the test database, and let Django flush it in spite of the triggers on transfers."""
    with django_db_blocker.unblock():
        flushing.allow_flush()


@pytest.fixture(autouse=True)
def _empty_redis(request):
    """Every test begins with an empty Valkey and closed breakers, and says whether it used the server."""
    for role in ROLES:
        connections.breaker(role).record_success()
    wakeup.broker_breaker.record_success()
    caching.cached_urls.clear()
    retry_queue.stop_all()  # what earlier tests owe
    cache.reset()
    with connections.guarded_client("state") as client:
        client.flushall()
        before = _commands(client)
    yield
    if servers.valkey.running and "valkey" not in request.fixturenames:
        with connections.guarded_client("state") as client:
            used = _commands(client) - before > 1  # this very question is one
    else:
        used = True
    request.node.user_properties.append(("Valkey", used))


@pytest.fixture(autouse=True)
def _say_which_database(request):
    if request.node.get_closest_marker("django_db"):
        request.node.user_properties.append((_vendor(), True))


def pytest_sessionfinish():
    stats.reset()  # the process would send them at its end, to a server that is gone


_ran_on: Counter[str] = Counter()


def pytest_runtest_logreport(report):
    if report.when == "teardown":  # the last word on a test, in whichever process it ran
        _ran_on.update(name for name, used in report.user_properties if used)


def pytest_terminal_summary(terminalreporter):
    told = ", ".join(f"{_ran_on[name]} on {name}" for name in ("PostgreSQL", "SQLite", "Valkey") if _ran_on[name])
    terminalreporter.write_line(f"Of these tests ran {told or 'none on a server'}.")


def _vendor() -> str:
    return {"postgresql": "PostgreSQL", "sqlite": "SQLite"}[connection.vendor]


def _commands(client) -> int:
    return client.info("stats")["total_commands_processed"]
