"""The live stream over real servers: two processes, reconnects, shutdown, and clients that do not read."""

import asyncio
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import closing, suppress
from pathlib import Path

import pytest

from benchmarks import _reconnects
from tests.analytics.changes import GAMES, build, change, epoch
from tests.analytics.stream_client import parse
from tests.processes import PROJECT, free_port, kill_group, scaled, wait_until

SECONDS = scaled(20.0)
# The options of the Procfile, except the address. There is no database, because a stream needs none.
SERVER = [
    *("--interface", "asgi", "--workers", "1", "--loop", "uvloop", "--http", "1", "--no-ws"),
    *("--backlog", "4096", "--backpressure", "11000"),
]


class Server:
    def __init__(self, log: Path) -> None:
        self.port = free_port()
        command = [sys.executable, "-m", "granian", *SERVER, "--port", str(self.port), "config.asgi:application"]
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                command,
                cwd=PROJECT,
                env={**os.environ, "DATABASE_URL": "postgres://nobody@127.0.0.1:1/nothing"},
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def open(self, **headers: str) -> "Stream":
        return Stream(self.port, headers)

    def is_ready(self) -> bool:
        with suppress(OSError, http.client.HTTPException), closing(self.open()) as stream:
            return stream.status == 200
        return False

    def stop(self) -> None:
        kill_group(self.process)


class Stream:
    """A client over a socket. It keeps everything that it reads."""

    def __init__(self, port: int, headers: dict[str, str]) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
        self._connection.request("GET", "/api/stream/", headers=headers)
        self._response = self._connection.getresponse()
        self.status = self._response.status
        self.headers = dict(self._response.headers.items())
        self.text = b""

    def wait_for_version(self, version: int) -> list:
        """Read up to the event that has this version in its id; return all events. Raises TimeoutError."""
        while f":{version}\n".encode() not in self.text or not self.text.endswith(b"\n\n"):
            self._read()
        return parse(self.text)

    def wait_for_events(self, count: int) -> list:
        while len(parse(self.text)) < count:
            self._read()
        return parse(self.text)

    def read_to_end(self) -> bool:
        """Read to the end of the response. Return False if it was cut off instead of ended properly."""
        with suppress(http.client.IncompleteRead, ConnectionResetError):
            self._response.read()
            return True
        return False

    def close(self) -> None:
        self._response.close()
        self._connection.close()

    def _read(self) -> None:
        data = self._response.read1(65_536)
        assert data, "the stream ended"
        self.text += data


@pytest.fixture
def serve(tmp_path):
    """Start processes on a view of thirty games and return them when they are ready."""
    started: list[Server] = []

    def start(count: int) -> list[Server]:
        build(GAMES)
        started.extend(Server(tmp_path / f"{number}.log") for number in range(count))
        for server in started:
            wait_until(server.is_ready)
        return started

    yield start
    for server in started:
        server.stop()


def test_a_change_reaches_the_clients_of_every_process(serve):
    one, other = serve(2)
    with closing(one.open()) as here, closing(other.open(Origin="https://a.example")) as there:
        here.wait_for_events(1)
        there.wait_for_events(1)
        version = change({31: (234, 0)})
        assert here.wait_for_version(version)[1:] == there.wait_for_version(version)[1:]
        assert [event.name for event in parse(here.text)] == ["snapshot", "game", "analytics"]
    assert there.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert there.headers["access-control-allow-origin"] == "*"
    assert "content-encoding" not in there.headers


def test_a_client_continues_at_another_process_and_misses_nothing(serve):
    servers = serve(2)
    with closing(servers[0].open()) as stream:
        events = stream.wait_for_events(1)
    last_id, game_ids = events[-1].id, []
    for number in range(30):
        version = change({31 + number: (200, 0)})
        with closing(servers[number % 2].open(**{"Last-Event-ID": last_id})) as stream:
            events = stream.wait_for_version(version)
        assert {event.name for event in events} == {"game", "analytics"}
        game_ids += [event.data["game_id"] for event in events if event.name == "game"]
        last_id = f"{epoch()}:{version}"
    assert game_ids == list(range(31, 61))


def test_a_hundred_reconnects_miss_nothing(serve):
    """Twenty clients are cut off at random times; benchmarks/stream.py does the same a thousand times."""
    (server,) = serve(1)
    numbers = iter(range(31, 1_000_000))

    def change_next_game() -> int:
        game_id = next(numbers)
        change({game_id: (200, 0)})
        return game_id

    found = asyncio.run(_reconnects.run(server.port, 100, change_next_game))
    assert (found.reconnects, found.missed, found.resets) == (100, 0, 0)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_streams_end_within_a_second_of_the_signal(serve, number):
    (server,) = serve(1)
    streams = [server.open() for _ in range(20)]
    for stream in streams:
        stream.wait_for_events(1)
    ended: list[bool] = []
    readers = [
        threading.Thread(target=lambda one: ended.append(one.read_to_end()), args=(stream,)) for stream in streams
    ]
    for reader in readers:
        reader.start()
    began = time.monotonic()
    server.process.send_signal(number)
    for reader in readers:
        reader.join(SECONDS)
    took = time.monotonic() - began
    assert ended == [True] * 20
    assert took < 1
    assert server.process.wait(SECONDS) == 0
    for stream in streams:
        stream.close()


def test_a_client_that_does_not_read_delays_no_other_client(serve):
    (server,) = serve(1)
    with socket.socket() as unread, closing(server.open()) as stream:
        unread.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        unread.connect(("127.0.0.1", server.port))
        unread.sendall(b"GET /api/stream/ HTTP/1.1\r\nHost: localhost\r\n\r\n")
        stream.wait_for_events(1)
        version = 0
        for number in range(100):
            version = change(dict.fromkeys(range(100 * number, 100 * number + 100), (200 + number, 0)))
        assert stream.wait_for_version(version)[-1].data["games"] >= 10_000


def test_other_methods_are_answered_by_django(serve):
    (server,) = serve(1)
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=SECONDS)) as connection:
        connection.request("POST", "/api/stream/")
        response = connection.getresponse()
        assert (response.status, response.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
        assert json.load(response) == {"detail": 'Method "POST" not allowed.'}


def test_a_server_without_asgi_responds_with_501(client):
    response = client.get("/api/stream/")
    assert (response.status_code, response.json()) == (
        501,
        {"detail": "The live stream is served by the ASGI server (config.asgi) only."},
    )
