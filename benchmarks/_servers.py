"""Private servers for a benchmark: one Valkey and any number of Granian processes, on loopback only."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from config.stack.children import dies_with_parent
from config.stack.valkey import Valkey

START_SECONDS = 20.0
STOP_SECONDS = 5.0


def split_cores() -> tuple[set[int], set[int]]:
    """Return the server's core and those of all other processes, which are the same if there is only one core."""
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    return set(cores[:1]), set(cores[1:] or cores[:1])


def pin(cores: set[int]) -> None:
    """Restrict this process and its future children to `cores`. Do nothing if the system does not support it."""
    if cores and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)


@contextmanager
def valkey(directory: Path) -> Iterator[str]:
    """Run a Valkey without persistence on a socket in `directory`; yield its URL."""
    server = Valkey(directory, persist=False)
    server.start()
    try:
        yield server.url
    finally:
        server.stop()


@contextmanager
def granian(app: str, environment: Mapping[str, str], log: Path, cores: set[int], *options: str) -> Iterator["Server"]:
    """Run one worker of `app`. The options raise Granian's limit of 1,024 connections, beyond which clients wait."""
    port = _free_port()
    command = [
        *(sys.executable, "-m", "granian", app, "--host", "127.0.0.1", "--port", str(port), "--workers", "1"),
        *("--backlog", "4096", "--backpressure", "4096", "--no-ws", "--loop", "uvloop", *options),
    ]
    with _process(command, log, environment, cores) as process:
        _wait_until(lambda: _accepts(port), process, log)
        yield Server(process.pid, port)


class Server:
    """A running Granian, with its address and its use of resources."""

    def __init__(self, pid: int, port: int) -> None:
        self._process = psutil.Process(pid)
        self.url = f"http://127.0.0.1:{port}"

    def cpu_seconds(self) -> float:
        """Return the user and system time of the supervisor and its worker so far."""
        processes = (self._process, *self._process.children(recursive=True))
        return float(sum(sum(process.cpu_times()[:2]) for process in processes))

    def connections(self) -> int:
        """Return the number of open connections between the worker and clients."""
        workers = self._process.children(recursive=True)
        return sum(one.status == psutil.CONN_ESTABLISHED for each in workers for one in each.net_connections("tcp"))

    def memory_bytes(self) -> int:
        """Return the resident memory of the worker."""
        return int(sum(child.memory_info().rss for child in self._process.children(recursive=True)))


@contextmanager
def _process(
    command: Sequence[str], log: Path, environment: Mapping[str, str], cores: set[int]
) -> Iterator["subprocess.Popen[bytes]"]:
    die_with_us = dies_with_parent()

    def before_exec() -> None:
        pin(cores)
        if die_with_us is not None:
            die_with_us()

    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=output,
            env=environment,
            preexec_fn=before_exec,
        )
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                _kill_with_children(process)


def _kill_with_children(process: "subprocess.Popen[bytes]") -> None:
    for child in psutil.Process(process.pid).children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            child.kill()
    process.kill()
    process.wait(STOP_SECONDS)


def _wait_until(ready: Callable[[], bool], process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not ready():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"{process.args!r} did not start:\n{log.read_text()[-2000:]}")
        time.sleep(0.05)


def _accepts(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=0.2):
        return True
    return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
