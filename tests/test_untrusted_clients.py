"""Untrusted clients of the real server, with the options of the Procfile: headers, bodies and idle connections."""

import socket
import time
from contextlib import closing
from urllib.parse import urlsplit

import pytest
from django.contrib.auth.models import Permission, User

from analytics import services
from games.services import record_games
from tests import chains
from tests.factories.tokens import authorization
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


def post(path: str, body: bytes, *headers: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", "Content-Type: application/json", *headers]
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode() + body


@pytest.fixture
def token():
    user = User.objects.create_user("feed")
    user.user_permissions.add(Permission.objects.get(codename="ingest_games"))
    return f"Authorization: {authorization(user, 'ingest')}"


GAME = b'{"game_id": 1, "crash_point": 2}'
CHUNKED = "Transfer-Encoding: chunked"


def test_a_request_without_a_token_is_refused_before_its_body_is_sent(server):
    for framing in ("Content-Length: 2000000", CHUNKED):
        assert exchange(server, post("/api/games/", b"", framing)).startswith(b"HTTP/1.1 401 ")
        for header in ("Authorization: Token cmt_wrong", "Cookie: sessionid=unknown"):
            status = exchange(server, post("/api/games/", b"", framing, header))[9:12]
            assert status in (b"401", b"403")


def test_chunked_bodies_are_read_and_malformed_chunks_are_a_400(server, token):
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (GAME[:7], GAME[7:], b""))
    assert exchange(server, post("/api/games/", chunks, CHUNKED, token)).startswith(b"HTTP/1.1 201 ")
    for malformed in (b"zz\r\n{}\r\n0\r\n\r\n", b"2\r\n{}\r\nzz\r\n"):
        response = exchange(server, post("/api/games/", malformed, CHUNKED, token))
        assert response.startswith(b"HTTP/1.1 400 ")
        assert response.endswith(b'{"detail": "The request body ended early, or a chunk of it is malformed."}')


def test_a_body_that_stops_is_a_408_after_ten_seconds(server, token):
    begun = time.monotonic()
    response = exchange(server, post("/api/games/", GAME[:7], f"Content-Length: {len(GAME)}", token))
    assert response.startswith(b"HTTP/1.1 408 ")
    assert 9 < time.monotonic() - begun < 15


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
