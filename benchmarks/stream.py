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
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx

from benchmarks import _broadcast, _reconnects
from benchmarks._broadcast import OTHER_PATH, Run
from benchmarks._child import child
from benchmarks._harness import Spread, table
from benchmarks._servers import Server, granian, valkey

GAMES = 200
APPS = {"ours": "config.asgi:application", "bare": "benchmarks.stream_apps.bare:application"}
FIRST_ANSWER_SECONDS = 30.0  # imports
DEAF_SECONDS = 85.0


class Figure(NamedTuple):
    """How a field of a run reads, and what is asked of it."""

    title: str
    field: str
    spec: str
    aim: str = ""
    most: float = float("inf")
    least: float = float("-inf")


FIGURES = (
    Figure("connected, s", "connect_seconds", ".1f"),
    Figure("delivered, %", "delivered", ".2f", "100, or reset", least=100),
    Figure("resets", "resets", ".0f"),
    Figure("p50, ms", "latency_p50", ".0f"),
    Figure("p99, ms", "latency_p99", ".0f", "<= 300", most=300),
    Figure("server CPU for a delivery, us", "cpu_us", ".1f"),
    Figure("KiB a connection", "kib_per_connection", ".1f", "<= 20", most=20),
    Figure("others when idle p50, ms", "idle_p50", ".1f"),
    Figure("others when idle p99, ms", "idle_p99", ".1f"),
    Figure("others p50, ms", "other_p50", ".1f"),
    Figure("others p99, ms", "other_p99", ".1f", "<= 10", most=10),
    Figure("others most, ms", "other_most", ".1f"),
    Figure("SIGTERM to last end, s", "stop_seconds", ".2f"),
    Figure("ended properly, %", "ended", ".1f", "100", least=100),
)


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
                runs[name].append(_broadcast.run(server, environment, asked.connections, asked.events))
    return runs


@contextmanager
def _server(name: str, directory: Path, environment: Mapping[str, str], connections: int) -> Iterator[Server]:
    options = ("--interface", "asgi", "--http", "1", "--backpressure", str(connections + 1_000))
    stopping = ("--workers-kill-timeout", "3")
    with granian(APPS[name], environment, directory / f"{name}.log", set(), *options, *stopping) as server:
        httpx.get(server.url + OTHER_PATH, timeout=FIRST_ANSWER_SECONDS).raise_for_status()
        yield server


def _report(runs: Mapping[str, Sequence[Run]]) -> str:
    """One line for each figure; an aim is met when the median of ours is."""
    rows = [["", *runs, "ours / bare", "aim", ""]]
    for figure in FIGURES:
        spreads = [Spread.of([getattr(run, figure.field) for run in done]) for done in runs.values()]
        cells = [f"{spread:{figure.spec}}" for spread in spreads]
        met = figure.least <= spreads[0].middle <= figure.most
        rows.append(
            [figure.title, *cells, _ratio(figure, *runs.values()), figure.aim, _verdict(figure, met=met)],
        )
    return table(rows)


def _verdict(figure: Figure, *, met: bool) -> str:
    return ("met" if met else "MISSED") if figure.aim else ""


def _ratio(figure: Figure, ours: Sequence[Run], bare: Sequence[Run]) -> str:
    """Within the same round."""
    pairs = [(getattr(a, figure.field), getattr(b, figure.field)) for a, b in zip(ours, bare, strict=True)]
    return f"{Spread.of([one / other for one, other in pairs]):.2f}" if all(other for _, other in pairs) else ""


def _reconnect(directory: Path, environment: Mapping[str, str], reconnects: int) -> str:
    with (
        _server("ours", directory, environment, 1_000) as server,
        child("benchmarks._changes", environment=environment) as changes,
    ):
        port = int(server.url.rpartition(":")[2])
        return str(asyncio.run(_reconnects.run(port, reconnects, lambda: json.loads(changes.ask())[0])))


def _deaf(directory: Path, environment: Mapping[str, str], count: int) -> str:
    """Clients with small buffers that ask and never read, while changes go on, until the server is rid of them."""
    with (
        _server("ours", directory, environment, 1_000) as server,
        child("benchmarks._changes", environment=environment) as changes,
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
            changes.ask()
            told += 1
            time.sleep(0.1)
            most, left = max(most, server.memory_bytes() - before), server.connections()
        return (
            f"{count} clients that read nothing under {told} changes: {left} left after "
            f"{time.monotonic() - began:.0f} s; at most {most / 1024 / count:.0f} KiB each meanwhile"
        )


if __name__ == "__main__":
    main()
