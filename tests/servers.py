"""The servers of a test run, started before Django reads its settings: a real Valkey and a real PostgreSQL.

This is an early plugin (`-p tests.servers`). Every pytest process has a Valkey of its own. The PostgreSQL belongs to
the first process; the xdist workers inherit its address. TEST_DATABASE=sqlite runs the same tests on SQLite.

No server outlives its pytest process. SIGTERM ends the run like Ctrl-C, so that fixtures and servers are cleaned up. If
the process is killed instead, the kernel ends Valkey (config.stack.children), and a guard ends PostgreSQL.
"""

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import pytest

from config.stack.guard import Guard
from config.stack.postgres import Postgres
from config.stack.valkey import Valkey

# A worker's folder lies in that of the first process, which removes it if the worker has to be killed.
directory = Path(tempfile.mkdtemp(prefix="crash-monitor-tests-", dir=os.environ.get("TEST_RUN_FOLDER")))
valkey = Valkey(directory / "valkey", persist=False)
postgres: Postgres | None = None
_guard: Guard | None = None
_terminated = False
_started = False


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests() -> Iterator[None]:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored if a script started pytest in the background
    signal.signal(signal.SIGTERM, _on_sigterm)
    try:
        _start()
    except Exception as error:  # one line instead of pytest's own traceback, whatever the error is
        _stop()
        raise pytest.UsageError(f"The test servers did not start: {error}") from error
    except KeyboardInterrupt:
        _stop()
        raise
    return (yield)


def pytest_unconfigure() -> None:
    _stop()


def _on_sigterm(number: int, frame: FrameType | None) -> None:
    """End the run like Ctrl-C. While the servers start, only note it, because PostgreSQL could not be stopped then."""
    global _terminated
    _terminated = True
    if _started:
        raise KeyboardInterrupt


def _start() -> None:
    global _started
    for name in ("CACHE_URL", "STATE_URL", "BROKER_URL"):
        os.environ.pop(name, None)  # tests flush the servers, so they must never be a developer's own
    valkey.start()
    os.environ["REDIS_URL"] = valkey.url
    os.environ["DATA_DIR"] = str(directory)
    if "PYTEST_XDIST_WORKER" not in os.environ:
        os.environ["TEST_RUN_FOLDER"] = str(directory)
        os.environ["DATABASE_URL"] = _database_url()
    _started = True
    if _terminated:
        raise RuntimeError("terminated by SIGTERM")


def _stop() -> None:
    global _started
    _started = False  # a second SIGTERM must not interrupt the clean-up
    valkey.stop()
    if postgres is not None:
        postgres.stop()
    if _guard is not None:
        _guard.close()
    shutil.rmtree(directory, ignore_errors=True)


def _database_url() -> str:
    global postgres, _guard
    if os.environ.get("TEST_DATABASE") == "sqlite":
        return f"sqlite:///{directory / 'unused.sqlite3'}"
    postgres = Postgres()
    postgres.start()
    _guard = Guard()
    _guard.protect([postgres.pid])
    return postgres.url
