"""Measure one stream server with all its clients: cost and latency of events, other requests meanwhile, shutdown."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import quantiles

from benchmarks._background_client import BackgroundClient
from benchmarks._line_process import LineProcess, line_process
from benchmarks._servers import Server

BACKGROUND_PATH = "/api/games/"
IDLE_SECONDS = 3.0  # to measure cost and latency of the background requests alone
SECONDS_BETWEEN_EVENTS = 0.7  # so that each event reaches all clients before the next


@dataclass(frozen=True, slots=True)
class Run:
    """The figures of one run. Latencies are in ms, from the start of the writer's run until a client has the event.

    `cpu_us` is the server's processor time per event and client, without the cost of the background requests.
    """

    connect_seconds: float
    delivered: float  # %
    resets: int
    latency_p50: float
    latency_p99: float
    cpu_us: float
    kib_per_connection: float
    background_idle_p50: float  # background requests without events
    background_idle_p99: float
    background_p50: float  # background requests during the events
    background_p99: float
    background_max: float
    stop_seconds: float  # from SIGTERM to the end of the last stream
    closed_properly: float  # % of the streams that ended with a last chunk


def run(server: Server, environment: Mapping[str, str], connections: int, events: int) -> Run:
    port = int(server.url.rpartition(":")[2])
    empty = server.memory_bytes()
    with line_process("benchmarks._stream_clients", str(port), str(connections), environment=environment) as clients:
        with line_process("benchmarks._game_applier", environment=environment) as changes:
            connected = json.loads(clients.read_line())
            changes.request()  # not timed: it includes connecting and importing
            time.sleep(SECONDS_BETWEEN_EVENTS)
            idle, idle_cpu = BackgroundClient(port, BACKGROUND_PATH), -server.cpu_seconds()
            with idle:
                time.sleep(IDLE_SECONDS)
            idle_cpu += server.cpu_seconds()
            background, cpu = BackgroundClient(port, BACKGROUND_PATH), -server.cpu_seconds()
            with background:
                began = _publish_events(changes, events)
            cpu += server.cpu_seconds()
            memory = server.memory_bytes() - empty
        totals = json.loads(clients.request())
        stop_seconds, closed_properly = _stop(server, clients, connections)
    received = {int(version): times for version, times in totals["received"].items()}
    latencies = sorted((at - began[version]) * 1000 for version in began for at in received.get(version, ()))
    percentiles = quantiles(latencies, n=100)
    cpu -= idle_cpu * len(background.milliseconds) / len(idle.milliseconds)
    return Run(
        connected["seconds"],
        100 * len(latencies) / (connections * events),
        totals["resets"],
        *(percentiles[49], percentiles[98]),
        1_000_000 * cpu / len(latencies),
        memory / 1024 / connections,
        *(idle.p50, idle.p99),
        *(background.p50, background.p99, max(background.milliseconds)),
        stop_seconds,
        closed_properly,
    )


def _publish_events(changes: LineProcess, events: int) -> dict[int, float]:
    """Apply games one after the other. Return version -> start of its writer's run, by the system's monotonic clock."""
    began = {}
    for _ in range(events):
        _, version, at = json.loads(changes.request())
        began[version] = at
        time.sleep(SECONDS_BETWEEN_EVENTS)
    return began


def _stop(server: Server, clients: LineProcess, connections: int) -> tuple[float, float]:
    """Stop the server. Return the seconds until the last stream ended, and the percentage of proper ends."""
    at = time.monotonic()
    server._process.terminate()
    totals = json.loads(clients.request())
    return totals["last_closed"] - at, 100 * totals["closed_properly"] / connections
