"""Run the real web server on the test's own database and Redis."""

import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from django.db import connection

from config.stack.procfile import procfile_commands

PROJECT = Path(__file__).resolve().parents[2]
SECONDS = 30.0


@contextmanager
def web_server(log: Path, port: int | None = None, **environment: str) -> Iterator[str]:
    """Run the Procfile's web server; yield its address without a final slash."""
    port = port or free_port()
    variables = {"HOST": "127.0.0.1", "PORT": str(port), "WEB_WORKERS": "1", "DATA_DIR": str(log.parent)}
    with log.open("ab") as output:
        server = subprocess.Popen(
            procfile_commands(PROJECT / "Procfile", variables)["web"],
            cwd=PROJECT,
            env={**os.environ, "DATABASE_URL": database_url(), "DJANGO_SETTINGS_MODULE": "config.settings.local"}
            | environment,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    base = f"http://127.0.0.1:{port}"
    try:
        wait_until(lambda: answers(base))
        yield base
    finally:
        with suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def answers(base: str) -> bool:
    return status_of(f"{base}/healthz")[0] == 200


def status_of(url: str) -> tuple[int, str, dict[str, str]]:
    """Return the status (0 if the connection fails), the body, and the headers with names in lower case."""
    try:
        with urllib.request.urlopen(url, timeout=20) as response:  # noqa: S310
            return response.status, response.read().decode(), {k.lower(): v for k, v in response.headers.items()}
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(), {k.lower(): v for k, v in error.headers.items()}
    except OSError:
        return 0, "", {}


def database_url() -> str:
    """Return the URL by which another process reaches the test database."""
    database = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{database['NAME']}"
    return f"postgres://{database['USER']}@:{database['PORT']}/{database['HOST']}/{database['NAME']}"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
