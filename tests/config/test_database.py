"""PostgreSQL behind a network that drops all packets: an open connection fails soon."""

import ctypes
import socket
import struct
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress

import pytest
from django.conf import settings
from django.db import OperationalError
from django.db.utils import ConnectionHandler

from config.settings.database import TIME_LIMITS
from tests.config.test_settings import run_with_settings

URL = "postgres://crash:secret@db/crash"
DATABASE = settings.DATABASES["default"]
SHORT = {"tcp_user_timeout": 500, "keepalives_idle": 1, "keepalives_interval": 1}
SO_ATTACH_FILTER = 26  # Linux; Python has no name for it
DROP_ALL = struct.pack("HBBI", 0x06, 0, 0, 0)  # one instruction: return 0, accept no byte of any packet

pytestmark = pytest.mark.django_db
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="the network is cut by a filter that only Linux has")
on_postgresql = pytest.mark.skipif(DATABASE["ENGINE"].endswith("sqlite3"), reason="SQLite is a file")


class Network:
    """A TCP proxy for one connection to PostgreSQL's socket, which can be cut without notice to either end."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._ends: list[socket.socket] = []
        self._threads = ThreadPoolExecutor(3)
        self._drops_next = False
        self._threads.submit(self._carry)

    def drop_packets(self) -> None:
        """Acknowledge no further packet, like a firewall that drops packets or a host without power."""
        filter_ = ctypes.create_string_buffer(DROP_ALL)
        program = struct.pack("HL", 1, ctypes.addressof(filter_))
        self._ends[0].setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)

    def drop_packets_after_query(self) -> None:
        """Deliver the next query, then drop all packets."""
        self._drops_next = True

    def close(self) -> None:
        for socket_ in (self._listener, *self._ends):
            with closing(socket_), suppress(OSError):  # it was never connected
                socket_.shutdown(socket.SHUT_RDWR)
        self._threads.shutdown()

    def _carry(self) -> None:
        client, server = self._listener.accept()[0], socket.socket(socket.AF_UNIX)
        self._ends = [client, server]
        server.connect(f"{DATABASE['HOST']}/.s.PGSQL.{DATABASE['PORT'] or 5432}")
        self._threads.submit(self._pump, client, server)
        self._threads.submit(self._pump, server, client)

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        while data := source.recv(65_536):
            if self._drops_next:
                return self.drop_packets()
            sink.sendall(data)
        return None


@pytest.fixture
def network() -> Iterator[Network]:
    with closing(Network()) as network:
        yield network


@pytest.fixture
def connection(network):
    """Open a connection as Django does with our settings, but with shorter time limits."""
    over_tcp = {**DATABASE, "HOST": "127.0.0.1", "PORT": network.port, "OPTIONS": DATABASE["OPTIONS"] | SHORT}
    with closing(ConnectionHandler({"default": over_tcp})["default"]) as connection:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        yield connection


@on_linux
@on_postgresql
def test_an_unacknowledged_query_ends_the_connection(network, connection):
    network.drop_packets()
    with pytest.raises(OperationalError, match="Connection timed out"), connection.cursor() as cursor:
        cursor.execute("SELECT 1")


@on_linux
@on_postgresql
def test_a_missing_result_ends_the_connection(network, connection):
    network.drop_packets_after_query()
    with pytest.raises(OperationalError, match="Connection timed out"), connection.cursor() as cursor:
        cursor.execute("SELECT 1")


@pytest.mark.parametrize("module", ["config.settings.local", "config.settings.production"])
def test_the_url_adds_to_the_time_limits_and_takes_precedence(tmp_path, module):
    result = run_with_settings(
        tmp_path,
        "print(settings.DATABASES['default']['OPTIONS'])",
        DJANGO_SETTINGS_MODULE=module,
        DATABASE_URL=f"{URL}?sslmode=require&tcp_user_timeout=2000",
        SECRET_KEY="not a secret " * 5,
        ALLOWED_HOSTS="crash.example",
    )
    expected = TIME_LIMITS | {"sslmode": "require", "tcp_user_timeout": 2000}
    assert result.stdout == f"{expected}\n"


def test_production_requires_a_database(tmp_path):
    result = run_with_settings(
        tmp_path,
        "settings.DATABASES",
        DJANGO_SETTINGS_MODULE="config.settings.production",
        SECRET_KEY="not a secret " * 5,
        ALLOWED_HOSTS="crash.example",
    )
    assert (result.returncode, result.stderr) == (1, "Invalid settings: Set the DATABASE_URL environment variable\n")
