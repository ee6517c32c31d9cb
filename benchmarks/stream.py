"""The live stream under load, beside a bare ASGI broadcaster; what forced reconnects lose; what deaf clients cost.

python -m benchmarks.stream [--connections 10000] [--events 10] [--rounds 3] [--reconnects 1000] [--deaf 20]
"""

import argparse
import asyncio
import json
import os
import resource
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import quantiles

import httpx

from benchmarks import _reconnects
from benchmarks._harness import Spread, table
from benchmarks._servers import Server, granian, valkey

GAMES = 200
APPS = {"ours": "config.asgi:application", "bare": "benchmarks.stream_apps.bare:application"}
SECONDS_BETWEEN_EVENTS = 0.7  # so that each event is told to all before the next
LISTEN_SECONDS = 90.0
DEAF_SECONDS = 85.0
OTHER_PATH = "/api/games/"
OTHER_EVERY_SECONDS = 0.005


@dataclass(frozen=True, slots=True)
class Run:
    """One server, all its clients. Latencies in ms, from when the writer began to apply a game."""

    connect_seconds: float
    delivered: float
    latency_p50: float
    latency_p99: float
    kib_per_connection: float
    other_p50: float
    other_p99: float
    other_most: float


def main() -> None:
    asked = _arguments()
    _raise_file_limit()
    print(f"{asked.connections:,} connections, {asked.events} events, {asked.rounds} rounds of both servers in turn")
    print(f"load before: {os.getloadavg()[0]:.2f} on {os.cpu_count()} cores; median (least..greatest)\n")
    with tempfile.TemporaryDirectory(prefix="stream-") as name, ExitStack() as running:
        directory = Path(name)
        environment = _environment(directory, running.enter_context(valkey(directory)))
        subprocess.run([sys.executable, "-m", "benchmarks._games", str(GAMES)], env=environment, check=True)
        if asked.rounds:
            print(_report(_runs(directory, environment, asked)), flush=True)
        if asked.reconnects:
            print(_reconnect(directory, environment, asked.reconnects), flush=True)
        if asked.deaf:
            print(_deaf(directory, environment, asked.deaf))
    print(f"load after: {os.getloadavg()[0]:.2f}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stream", description=__doc__)
    parser.add_argument("--connections", type=int, default=10_000)
    parser.add_argument("--events", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--reconnects", type=int, default=1_000)
    parser.add_argument("--deaf", type=int, default=20, help="clients that read nothing; takes a minute")
    return parser.parse_args()


def _raise_file_limit() -> None:
    """For the children; ours asks for it itself, the bare server does not."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _environment(directory: Path, redis_url: str) -> dict[str, str]:
    """Nothing of the caller's database, servers or feed."""
    taken = {"CACHE_URL", "STATE_URL", "BROKER_URL"}
    return {name: value for name, value in os.environ.items() if name not in taken} | {
        "DJANGO_SETTINGS_MODULE": "config.settings.local",
        "DATABASE_URL": f"sqlite:///{directory / 'games.sqlite3'}",
        "REDIS_URL": redis_url,
        "DATA_DIR": str(directory),
        "SITE": "bcgame",
        "FEED": "none",
        "DEBUG": "false",
        "LOG_LEVEL": "WARNING",
        "STREAM_MAX_PER_ADDRESS": "1000000",  # all clients are on this machine
    }


def _runs(directory: Path, environment: Mapping[str, str], asked: argparse.Namespace) -> dict[str, list[Run]]:
    """A new server each time: memory that was freed once says nothing of what the next connection costs."""
    runs: dict[str, list[Run]] = {name: [] for name in APPS}
    for number in range(asked.rounds):
        for name in list(APPS) if number % 2 == 0 else reversed(APPS):
            with _server(name, directory, environment, asked.connections) as server:
                runs[name].append(_run(server, environment, asked.connections, asked.events))
    return runs


@contextmanager
def _server(name: str, directory: Path, environment: Mapping[str, str], connections: int) -> Iterator[Server]:
    options = (
        "--interface",
        "asgi",
        "--http",
        "1",
        "--backpressure",
        str(connections + 1_000),
        "--workers-kill-timeout",
        "2",
    )
    with granian(APPS[name], environment, directory / f"{name}.log", set(), *options) as server:
        httpx.get(server.url + OTHER_PATH).raise_for_status()
        yield server


def _run(server: Server, environment: Mapping[str, str], connections: int, events: int) -> Run:
    port = server.url.rpartition(":")[2]
    before = server.memory_bytes()
    with _child("benchmarks._streams", port, str(connections), environment=environment) as clients:
        with _child("benchmarks._changes", environment=environment) as changes:
            begun = json.loads(_line(clients))
            began, others = {}, _Others(server.url)
            with others:
                for _ in range(events):
                    time.sleep(SECONDS_BETWEEN_EVENTS)
                    _, version, at = json.loads(_ask(changes))
                    began[version] = at
                time.sleep(SECONDS_BETWEEN_EVENTS)
            memory = server.memory_bytes() - before
        found = json.loads(_ask(clients))
    heard = {int(version): times for version, times in found["heard"].items()}
    latencies = sorted((at - began[version]) * 1000 for version in began for at in heard.get(version, ()))
    cuts, other = quantiles(latencies, n=100), quantiles(others.milliseconds, n=100)
    return Run(
        begun["seconds"],
        100 * len(latencies) / (connections * events),
        *(cuts[49], cuts[98], memory / 1024 / connections),
        *(other[49], other[98], max(others.milliseconds)),
    )


class _Others:
    """Ask for something else all the while, over one kept connection; how long each answer took."""

    def __init__(self, url: str) -> None:
        self.milliseconds: list[float] = []
        self._url = url
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._ask)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _ask(self) -> None:
        with httpx.Client(base_url=self._url) as client:
            while not self._stop.wait(OTHER_EVERY_SECONDS):
                asked = time.monotonic()
                client.get(OTHER_PATH).raise_for_status()
                self.milliseconds.append((time.monotonic() - asked) * 1000)


@contextmanager
def _child(module: str, *arguments: str, environment: Mapping[str, str]) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-m", module, *arguments]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment) as process:
        guard = threading.Timer(LISTEN_SECONDS, process.kill)
        guard.start()
        try:
            yield process
        finally:
            guard.cancel()
            process.kill()


def _line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    line: str = process.stdout.readline()
    if not line:
        raise RuntimeError(f"{process.args!r} ended, or took longer than {LISTEN_SECONDS:.0f} s")
    return line


def _ask(process: "subprocess.Popen[str]") -> str:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()
    return _line(process)


def _report(runs: Mapping[str, Sequence[Run]]) -> str:
    columns = {
        "connect s": ("connect_seconds", ".1f"),
        "delivered %": ("delivered", ".2f"),
        "p50 ms": ("latency_p50", ".0f"),
        "p99 ms": ("latency_p99", ".0f"),
        "KiB/conn": ("kib_per_connection", ".1f"),
        "others p50": ("other_p50", ".1f"),
        "others p99": ("other_p99", ".1f"),
        "others most": ("other_most", ".1f"),
    }
    rows = [
        [name, *(f"{Spread.of([getattr(run, field) for run in done]):{spec}}" for field, spec in columns.values())]
        for name, done in runs.items()
    ]
    pairs = list(zip(*runs.values(), strict=True))
    ratios = [
        f"{Spread.of([getattr(one, field) / getattr(other, field) for one, other in pairs]):.2f}"
        for field, _ in columns.values()
    ]
    return table([["", *columns], *rows, ["ours / bare", *ratios]])


def _reconnect(directory: Path, environment: Mapping[str, str], reconnects: int) -> str:
    with (
        _server("ours", directory, environment, 1_000) as server,
        _child("benchmarks._changes", environment=environment) as changes,
    ):
        port = int(server.url.rpartition(":")[2])
        change = partial(_ask, changes)
        return str(asyncio.run(_reconnects.run(port, reconnects, lambda: json.loads(change())[0])))


def _deaf(directory: Path, environment: Mapping[str, str], count: int) -> str:
    """Clients with small buffers that ask and never read, while changes go on, until the server is rid of them."""
    with (
        _server("ours", directory, environment, 1_000) as server,
        _child("benchmarks._changes", environment=environment) as changes,
        ExitStack() as opened,
    ):
        port, before = int(server.url.rpartition(":")[2]), server.memory_bytes()
        for _ in range(count):
            deaf = opened.enter_context(socket.socket())
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
            deaf.connect(("127.0.0.1", port))
            deaf.sendall(b"GET /api/stream/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        began, most, told, left = time.monotonic(), 0, 0, count
        while left and time.monotonic() - began < DEAF_SECONDS:
            _ask(changes)
            told += 1
            time.sleep(0.1)
            most, left = max(most, server.memory_bytes() - before), server.connections()
        return (
            f"{count} clients that read nothing under {told} changes: {left} left after "
            f"{time.monotonic() - began:.0f} s; at most {most / 1024 / count:.0f} KiB each meanwhile"
        )


if __name__ == "__main__":
    main()
