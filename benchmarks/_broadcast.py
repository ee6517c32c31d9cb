"""One server with all its clients: what events cost, how late they come, how others fare meanwhile, how it ends."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import quantiles

from benchmarks._child import Child, child
from benchmarks._others import Others
from benchmarks._servers import Server

OTHER_PATH = "/api/games/"
IDLE_SECONDS = 3.0  # what the others alone cost and how they fare
SECONDS_BETWEEN_EVENTS = 0.7  # so that each event is told to all before the next


@dataclass(frozen=True, slots=True)
class Run:
    """Latencies in ms, from when the writer began to apply a game until a client has read the event.

    `cpu_us`: processor time of the server for one event to one client, without what others' requests cost.
    """

    connect_seconds: float
    delivered: float  # %
    resets: int
    latency_p50: float
    latency_p99: float
    cpu_us: float
    kib_per_connection: float
    idle_p50: float  # others, while nothing happens
    idle_p99: float
    other_p50: float  # others, during the events
    other_p99: float
    other_most: float
    stop_seconds: float  # from SIGTERM to the end of the last stream
    ended: float  # % of the streams that had a proper end


def run(server: Server, environment: Mapping[str, str], connections: int, events: int) -> Run:
    port = int(server.url.rpartition(":")[2])
    empty = server.memory_bytes()
    with child("benchmarks._streams", str(port), str(connections), environment=environment) as clients:
        with child("benchmarks._changes", environment=environment) as changes:
            begun = json.loads(clients.line())
            changes.ask()  # it connects and imports: that is not what is timed
            time.sleep(SECONDS_BETWEEN_EVENTS)
            idle, idle_cpu = Others(port, OTHER_PATH), -server.cpu_seconds()
            with idle:
                time.sleep(IDLE_SECONDS)
            idle_cpu += server.cpu_seconds()
            others, cpu = Others(port, OTHER_PATH), -server.cpu_seconds()
            with others:
                began = _tell(changes, events)
            cpu += server.cpu_seconds()
            memory = server.memory_bytes() - empty
        found = json.loads(clients.ask())
        stop_seconds, ended = _stop(server, clients, connections)
    heard = {int(version): times for version, times in found["heard"].items()}
    latencies = sorted((at - began[version]) * 1000 for version in began for at in heard.get(version, ()))
    cuts = quantiles(latencies, n=100)
    cpu -= idle_cpu * len(others.milliseconds) / len(idle.milliseconds)
    return Run(
        begun["seconds"],
        100 * len(latencies) / (connections * events),
        found["resets"],
        *(cuts[49], cuts[98]),
        1_000_000 * cpu / len(latencies),
        memory / 1024 / connections,
        *(idle.p50, idle.p99),
        *(others.p50, others.p99, max(others.milliseconds)),
        stop_seconds,
        ended,
    )


def _tell(changes: Child, events: int) -> dict[int, float]:
    """Version -> when its writer began, on the clock that all processes share."""
    began = {}
    for _ in range(events):
        _, version, at = json.loads(changes.ask())
        began[version] = at
        time.sleep(SECONDS_BETWEEN_EVENTS)
    return began


def _stop(server: Server, clients: Child, connections: int) -> tuple[float, float]:
    at = time.monotonic()
    server._process.terminate()
    found = json.loads(clients.ask())
    return found["last"] - at, 100 * found["ended"] / connections
