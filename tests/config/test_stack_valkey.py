import pytest
import redis

from config.stack.valkey import MAX_SOCKET_PATH_BYTES, Valkey, ValkeyError


@pytest.fixture
def server(tmp_path):
    valkey = Valkey(tmp_path / "valkey")
    yield valkey
    valkey.stop()


def client(valkey: Valkey) -> redis.Redis:
    return redis.Redis.from_url(valkey.url)


def test_it_keeps_its_data_over_a_restart(server):
    server.start()
    client(server).set("key", "value")
    server.stop()
    server.start()
    assert client(server).get("key") == b"value"


def test_it_listens_on_no_port_and_never_evicts(server):
    server.start()
    config = client(server).config_get("port", "maxmemory-policy", "appendonly")
    assert config == {"port": "0", "maxmemory-policy": "noeviction", "appendonly": "yes"}


def test_a_killed_server_leaves_nothing_in_the_way(server):
    server.start()
    server.kill()
    server.start()
    assert client(server).ping()


def test_a_second_server_of_the_same_directory_is_refused_in_one_line(server):
    server.start()
    with pytest.raises(ValkeyError, match=r"A Valkey of .* is running already; stop it first\."):
        Valkey(server.directory).start()


def test_a_path_too_long_for_a_socket_gets_a_private_directory(tmp_path):
    valkey = Valkey(tmp_path / ("long" * 30))
    valkey.start()
    try:
        assert len(valkey.url.removeprefix("unix://").removesuffix("?db=0")) <= MAX_SOCKET_PATH_BYTES
        assert client(valkey).ping()
    finally:
        valkey.stop()
