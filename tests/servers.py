"""The servers of a test run, started before Django reads its settings: a real Valkey and a real PostgreSQL.

An early plugin (`-p tests.servers`). Every pytest process has a Valkey of its own; the PostgreSQL belongs to the
first one, whose address the xdist workers inherit. TEST_DATABASE=sqlite runs the same tests on SQLite.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.stack.postgres import Postgres
from config.stack.valkey import Valkey

directory = Path(tempfile.mkdtemp(prefix="crash-monitor-tests-"))
valkey = Valkey(directory / "valkey", persist=False)
postgres: Postgres | None = None


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests() -> Iterator[None]:
    try:
        _start()
    except Exception as error:  # whatever it is, the run cannot be: one line instead of pytest's own insides
        _stop()
        raise pytest.UsageError(f"The test servers did not start: {error}") from error
    return (yield)


def pytest_unconfigure() -> None:
    _stop()
    shutil.rmtree(directory, ignore_errors=True)


def _stop() -> None:
    valkey.stop()
    if postgres is not None:
        postgres.stop()


def _start() -> None:
    for name in ("CACHE_URL", "STATE_URL", "BROKER_URL"):
        os.environ.pop(name, None)  # never a developer's own servers: tests flush
    valkey.start()
    os.environ["REDIS_URL"] = valkey.url
    os.environ["DATA_DIR"] = str(directory)
    if "PYTEST_XDIST_WORKER" not in os.environ:
        os.environ["DATABASE_URL"] = _database_url()


def _database_url() -> str:
    global postgres
    if os.environ.get("TEST_DATABASE") == "sqlite":
        return f"sqlite:///{directory / 'unused.sqlite3'}"
    postgres = Postgres()
    postgres.start()
    return postgres.url
