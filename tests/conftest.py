"""Fixtures for all tests, and a summary that says which servers the tests used."""

import os
import subprocess
import sys
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
from tests.processes import PROJECT, database_url, kill_group, scaled

ROLES = ("cache", "state")


@pytest.fixture
def valkey():
    """The test run's own Valkey, to stop, hang and start again. After the test it runs again, and is empty."""
    yield servers.valkey
    servers.valkey.resume()
    if not servers.valkey.running:
        servers.valkey.start()


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup, django_db_blocker):
    """Set up the test database, and let Django flush it in spite of the triggers on transfers."""
    with django_db_blocker.unblock():
        flushing.allow_flush()


@pytest.fixture
def process(tmp_path):
    """Start Python with these arguments on the test's own servers. All processes end with the test."""
    started = []

    def start(*arguments: str, **environment: str) -> "subprocess.Popen[bytes]":
        with (tmp_path / f"{len(started)}.log").open("wb") as log:
            child = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=PROJECT,
                env={**os.environ, "DATABASE_URL": database_url(), **environment},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        started.append(child)
        return child

    yield start
    for child in started:
        kill_group(child)


@pytest.fixture(autouse=True)
def _empty_redis(request):
    """Let every test begin with an empty Valkey and closed circuit breakers; note whether it used the server."""
    for role in ROLES:
        connections.breaker(role).record_success()
    wakeup.broker_breaker.record_success()
    caching.cached_urls.clear()
    retry_queue.stop_all()  # invalidations that earlier tests left in the retry queue
    cache.reset()
    with connections.guarded_client("state") as client:
        client.flushall()
        before = _commands(client)
    yield
    if servers.valkey.running and "valkey" not in request.fixturenames:
        with connections.guarded_client("state") as client:
            used = _commands(client) - before > 1  # the INFO command itself is one
    else:
        used = True
    request.node.user_properties.append(("Valkey", used))


@pytest.fixture(autouse=True)
def _note_database(request):
    if request.node.get_closest_marker("django_db"):
        request.node.user_properties.append((_vendor(), True))


def pytest_collection_modifyitems(config, items):
    """Scale the time limit of each test: its own marker's, or else that of pyproject.toml."""
    default = float(config.getini("timeout"))
    for item in items:
        marker = item.get_closest_marker("timeout")
        seconds = marker.args[0] if marker and marker.args else default
        item.add_marker(pytest.mark.timeout(scaled(seconds)), append=False)


def pytest_sessionfinish():
    stats.reset()  # at its end the process would flush them to a server that has stopped


_ran_on: Counter[str] = Counter()


def pytest_runtest_logreport(report):
    if report.when == "teardown":  # the last report of a test, whichever process it ran in
        _ran_on.update(name for name, used in report.user_properties if used)


def pytest_terminal_summary(terminalreporter):
    counts = ", ".join(f"{_ran_on[name]} on {name}" for name in ("PostgreSQL", "SQLite", "Valkey") if _ran_on[name])
    terminalreporter.write_line(f"Tests that used a server: {counts or 'none'}.")


def _vendor() -> str:
    return {"postgresql": "PostgreSQL", "sqlite": "SQLite"}[connection.vendor]


def _commands(client) -> int:
    return client.info("stats")["total_commands_processed"]
