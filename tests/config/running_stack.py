"""A real `manage.py stack` for tests, with its database and Valkey in a folder of its own."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import psutil

from tests.processes import PROJECT, free_port, scaled

START_SECONDS = 90.0
NOT_INHERITED = ("DATABASE_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE", "TEST_DATABASE")
SERVICES = {  # name -> a part of its command line
    "web": "granian",
    "worker": "--quiet worker",
    "beat": "celerybeat-schedule",
    "monitor": "monitor_games",
    "valkey": "unixsocket",
}


def inherited_environment(**ours: str) -> dict[str, str]:
    """Return the environment of a shell that has none of our variables but these."""
    return {name: value for name, value in os.environ.items() if name not in NOT_INHERITED} | ours


class RunningStack:
    """Starts it with a replayed chain, twenty times as fast as games were played."""

    def __init__(self, data: Path, **environment: str) -> None:
        self.data = data
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._log = data.parent / f"{data.name}.log"
        ours = {
            "DATA_DIR": str(data),
            "PORT": str(self.port),
            "REPLAY_SPEED": "20",
            "ENABLE_REDIS_RATE_LIMITING": "false",  # waiting for a recovery is many requests
        } | environment
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "stack"],
                cwd=PROJECT,
                env=inherited_environment(**ours),
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def wait_until_ready(self) -> None:
        self.wait_until(lambda: "Crash Monitor is ready" in self.printed(), START_SECONDS)

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        finally:
            self.process.kill()

    def printed(self) -> str:
        return self._log.read_text(errors="replace")

    def service(self, name: str) -> psutil.Process | None:
        """Return the running process that leads this service."""
        for child in psutil.Process(self.process.pid).children():
            try:
                if SERVICES[name] in " ".join(child.cmdline()) and child.status() != psutil.STATUS_ZOMBIE:
                    return child
            except psutil.NoSuchProcess:
                continue
        return None

    def get(self, path: str) -> dict[str, object] | None:
        """Return a JSON response, or None while there is none."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=scaled(5)) as response:  # noqa: S310
                body = response.read()
        except (urllib.error.URLError, OSError):
            return None
        return json.loads(body) if body.startswith(b"{") else {}

    def applied_head(self) -> int:
        """Return the newest game that was recorded, sent to the worker and applied to the live view."""
        status = self.get("/api/analytics/status/") or {}
        head = status.get("applied_head")
        return head if isinstance(head, int) else 0

    def wait_until(self, condition: Callable[[], object], seconds: float = 40.0) -> float:
        """Return how many seconds it took."""
        began = time.monotonic()
        while not condition():
            assert self.process.poll() is None, self.printed()
            assert time.monotonic() < began + scaled(seconds), self.printed()
            time.sleep(0.05)
        return time.monotonic() - began
