"""Measure the live stream under load, compared with a bare ASGI broadcaster, under reconnects and with deaf clients.

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
from benchmarks._broadcast import BACKGROUND_PATH, Run
from benchmarks._harness import Spread, table
from benchmarks._line_process import line_process
from benchmarks._servers import Server, granian, valkey

GAMES = 200
APPS = {"ours": "config.asgi:application", "bare": "benchmarks.stream_apps.bare:application"}
FIRST_RESPONSE_SECONDS = 30.0  # imports
NON_READING_SECONDS = 85.0


class Figure(NamedTuple):
    """A field of a run with its title, format and target."""

    title: str
    field: str
    spec: str
    target: str = ""
    maximum: float = float("inf")
    minimum: float = float("-inf")


FIGURES = (
    Figure("connected, s", "connect_seconds", ".1f"),
    Figure("delivered, %", "delivered", ".2f", "100, or reset", minimum=100),
    Figure("resets", "resets", ".0f"),
    Figure("p50, ms", "latency_p50", ".0f"),
    Figure("p99, ms", "latency_p99", ".0f", "<= 300", maximum=300),
    Figure("server CPU for a delivery, us", "cpu_us", ".1f"),
    Figure("KiB per connection", "kib_per_connection", ".1f", "<= 20", maximum=20),
    Figure("other requests, idle, p50, ms", "background_idle_p50", ".1f"),
    Figure("other requests, idle, p99, ms", "background_idle_p99", ".1f"),
    Figure("other requests p50, ms", "background_p50", ".1f"),
    Figure("other requests p99, ms", "background_p99", ".1f", "<= 10", maximum=10),
    Figure("other requests max, ms", "background_max", ".1f"),
    Figure("SIGTERM to last end, s", "stop_seconds", ".2f"),
    Figure("ended properly, %", "closed_properly", ".1f", "100", minimum=100),
)


def main() -> None:
    args = _parse_args()
    _raise_file_limit()
    print(f"{args.connections:,} connections, {args.events} events, {args.rounds} rounds of both servers in turn")
    print(f"load before: {os.getloadavg()[0]:.2f} on {os.cpu_count()} cores; median (minimum..maximum)\n")
    with tempfile.TemporaryDirectory(prefix="stream-") as name, ExitStack() as running:
        directory = Path(name)
        environment = _environment(directory, running.enter_context(valkey(directory)))
        subprocess.run([sys.executable, "-m", "benchmarks._genuine_games", str(GAMES)], env=environment, check=True)
        if args.rounds:
            print(_report(_runs(directory, environment, args)), flush=True)
        if args.reconnects:
            print(_reconnect(directory, environment, args.reconnects), flush=True)
        if args.deaf:
            print(_measure_non_reading_clients(directory, environment, args.deaf))
    print(f"load after: {os.getloadavg()[0]:.2f}")


def _parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stream", description=__doc__)
    parser.add_argument("--connections", type=int, default=10_000)
    parser.add_argument("--events", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--reconnects", type=int, default=1_000)
    parser.add_argument("--deaf", type=int, default=20, help="clients that read nothing; takes a minute")
    return parser.parse_args()


def _raise_file_limit() -> None:
    """Raise the limit of open files for the children: our server raises it itself, the bare one does not."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _environment(directory: Path, redis_url: str) -> dict[str, str]:
    """Return an environment without the caller's database, servers and feed."""
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


def _runs(directory: Path, environment: Mapping[str, str], args: argparse.Namespace) -> dict[str, list[Run]]:
    """Run both servers in turn, each time a fresh one, because freed memory would make connections look cheap."""
    runs: dict[str, list[Run]] = {name: [] for name in APPS}
    for number in range(args.rounds):
        for name in list(APPS) if number % 2 == 0 else reversed(APPS):
            with _server(name, directory, environment, args.connections) as server:
                runs[name].append(_broadcast.run(server, environment, args.connections, args.events))
    return runs


@contextmanager
def _server(name: str, directory: Path, environment: Mapping[str, str], connections: int) -> Iterator[Server]:
    options = ("--interface", "asgi", "--http", "1", "--backpressure", str(connections + 1_000))
    stopping = ("--workers-kill-timeout", "3")
    with granian(APPS[name], environment, directory / f"{name}.log", set(), *options, *stopping) as server:
        httpx.get(server.url + BACKGROUND_PATH, timeout=FIRST_RESPONSE_SECONDS).raise_for_status()
        yield server


def _report(runs: Mapping[str, Sequence[Run]]) -> str:
    """Return a line per figure. A target is met if the median of our runs meets it."""
    rows = [["", *runs, "ours / bare", "target", ""]]
    for figure in FIGURES:
        spreads = [Spread.of([getattr(run, figure.field) for run in done]) for done in runs.values()]
        cells = [f"{spread:{figure.spec}}" for spread in spreads]
        met = figure.minimum <= spreads[0].median <= figure.maximum
        rows.append(
            [figure.title, *cells, _ratio(figure, *runs.values()), figure.target, _verdict(figure, met=met)],
        )
    return table(rows)


def _verdict(figure: Figure, *, met: bool) -> str:
    return ("met" if met else "MISSED") if figure.target else ""


def _ratio(figure: Figure, ours: Sequence[Run], bare: Sequence[Run]) -> str:
    """Return the ratio within the same round."""
    pairs = [(getattr(a, figure.field), getattr(b, figure.field)) for a, b in zip(ours, bare, strict=True)]
    return f"{Spread.of([one / other for one, other in pairs]):.2f}" if all(other for _, other in pairs) else ""


def _reconnect(directory: Path, environment: Mapping[str, str], reconnects: int) -> str:
    with (
        _server("ours", directory, environment, 1_000) as server,
        line_process("benchmarks._game_applier", environment=environment) as changes,
    ):
        port = int(server.url.rpartition(":")[2])
        return str(asyncio.run(_reconnects.run(port, reconnects, lambda: json.loads(changes.request())[0])))


def _measure_non_reading_clients(directory: Path, environment: Mapping[str, str], count: int) -> str:
    """Connect clients that never read, and publish changes until the server has disconnected them."""
    with (
        _server("ours", directory, environment, 1_000) as server,
        line_process("benchmarks._game_applier", environment=environment) as changes,
        ExitStack() as opened,
    ):
        port, before = int(server.url.rpartition(":")[2]), server.memory_bytes()
        for _ in range(count):
            deaf = opened.enter_context(socket.socket())
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
            deaf.connect(("127.0.0.1", port))
            deaf.sendall(b"GET /api/stream/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        began, most, published, left = time.monotonic(), 0, 0, count
        while left and time.monotonic() - began < NON_READING_SECONDS:
            changes.request()
            published += 1
            time.sleep(0.1)
            most, left = max(most, server.memory_bytes() - before), server.connections()
        return (
            f"{count} clients that read nothing under {published} changes: {left} left after "
            f"{time.monotonic() - began:.0f} s; at most {most / 1024 / count:.0f} KiB each meanwhile"
        )


if __name__ == "__main__":
    main()
