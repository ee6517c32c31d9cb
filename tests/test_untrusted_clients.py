"""Untrusted clients of the real server, with the options of the Procfile: headers, bodies and idle connections."""

import socket
import time
from contextlib import closing
from urllib.parse import urlsplit

import pytest

from analytics import services
from games.services import record_games
from tests import chains
from tests.processes import wait_until, web_server

SECONDS = 20.0
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def server(tmp_path):
    with web_server(tmp_path / "log") as base:
        yield base


def connect(base: str) -> socket.socket:
    address = urlsplit(base)
    return socket.create_connection((address.hostname, address.port), SECONDS)


def exchange(base: str, request: bytes) -> bytes:
    """Send the bytes of a request; return the response until the server closes the connection."""
    with closing(connect(base)) as client:
        client.sendall(request)
        return read_to_end(client)


def read_to_end(client: socket.socket) -> bytes:
    received = b""
    while data := client.recv(65536):
        received += data
    return received


def get(path: str, *headers: str) -> bytes:
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: localhost", "Connection: close", *headers, "", ""]).encode()


def head(path: str) -> bytes:
    return get(path).replace(b"GET", b"HEAD", 1)


def test_headers_above_16_kib_are_a_431(server):
    assert exchange(server, get("/healthz", "Accept: " + "a" * 15_000)).startswith(b"HTTP/1.1 200 ")
    for path in ("/healthz", "/api/games/", "/api/stream/"):
        for headers in (["Accept: " + "a" * 16_384], [f"X-{n}: {'a' * 200}" for n in range(90)]):
            assert exchange(server, get(path, *headers)).startswith(b"HTTP/1.1 431 ")


def test_a_connection_without_a_request_is_closed_after_ten_seconds(server):
    begun = time.monotonic()
    with closing(connect(server)) as silent, closing(connect(server)) as slow, closing(connect(server)) as idle:
        slow.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n")
        idle.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert [read_to_end(silent), read_to_end(slow)] == [b"", b""]
        assert read_to_end(idle).startswith(b"HTTP/1.1 200 ")
        assert 9 < time.monotonic() - begun < 15


def test_a_stream_outlives_the_limit_of_idle_connections(server):
    record_games(chains.bcgame_rounds(5), source="test")
    services.apply_pending()
    wait_until(lambda: exchange(server, head("/api/stream/")).startswith(b"HTTP/1.1 200 "))
    begun = time.monotonic()
    with closing(connect(server)) as stream:
        stream.sendall(get("/api/stream/"))
        assert stream.recv(65536).startswith(b"HTTP/1.1 200 ")
        while time.monotonic() - begun < 12:
            assert stream.recv(65536)  # heartbeats
