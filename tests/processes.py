"""Start processes of the project for a test, and wait for them no longer than a scaled time limit."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import psutil
from django.db import connection

from config.stack.procfile import procfile_commands

PROJECT = Path(__file__).resolve().parents[1]
TIMEOUT_FACTOR = float(os.environ.get("TEST_TIMEOUT_FACTOR", "1"))

Found = TypeVar("Found")


def scaled(seconds: float) -> float:
    """Return a time limit multiplied by TEST_TIMEOUT_FACTOR, which is greater than 1 on a slow machine."""
    return seconds * TIMEOUT_FACTOR


def run_python(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python in the project's folder with these variables beside the inherited ones; return its output."""
    return _run(arguments, {**os.environ, **environment})


def run_manage(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `manage.py` with these variables beside the inherited ones; return its output."""
    return run_python("manage.py", *arguments, **environment)


def run_manage_alone(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `manage.py` with these variables, without the test run's own servers and settings."""
    own = ("DATABASE_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE", "TEST_DATABASE")
    inherited = {name: value for name, value in os.environ.items() if name not in own}
    return _run(("manage.py", *arguments), inherited | environment)


def _run(arguments: tuple[str, ...], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=PROJECT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=scaled(60),
    )


@contextmanager
def web_server(log: Path, port: int | None = None, **environment: str) -> Iterator[str]:
    """Run the Procfile's web server on the test's own servers; yield its address without a final slash."""
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
        wait_until(lambda: responds(base))
        yield base
    finally:
        kill_group(server)


def kill_group(process: "subprocess.Popen[bytes]") -> None:
    """Kill a process that has a session of its own, with all its children."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def wait_until(condition: Callable[[], Found], seconds: float = 30.0) -> Found:
    """Return the first true result of the condition; fail if there is none within the scaled time."""
    deadline = time.monotonic() + scaled(seconds)
    while not (found := condition()):
        assert time.monotonic() < deadline, "the condition was not met in time"
        time.sleep(0.02)
    return found


def running(processes: Iterable[psutil.Process]) -> list[psutil.Process]:
    """Return the processes that have not ended."""
    alive = []
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            if process.status() != psutil.STATUS_ZOMBIE:
                alive.append(process)
    return alive


def responds(base: str) -> bool:
    """Return True if the web server at this address is healthy."""
    return status_of(f"{base}/healthz")[0] == 200


def status_of(url: str) -> tuple[int, str, dict[str, str]]:
    """Return status (0 if no server listens), body, and headers in lower case."""
    try:
        with urllib.request.urlopen(url, timeout=scaled(20)) as response:  # noqa: S310
            return response.status, response.read().decode(), {k.lower(): v for k, v in response.headers.items()}
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(), {k.lower(): v for k, v in error.headers.items()}
    except OSError:
        return 0, "", {}


def database_url() -> str:
    """Return the URL of the test database for another process."""
    database = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{database['NAME']}"
    return f"postgres://{database['USER']}@:{database['PORT']}/{database['HOST']}/{database['NAME']}"


def free_port() -> int:
    """Return a TCP port that is free at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
