"""The fast path for commands, on a real server: each caller gets its own reply, a lost connection is replaced."""

import os
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis
from django.core.cache import caches
from django_redis.pool import ConnectionFactory

from cachecore.redis_client import connections
from cachecore.redis_client.connections import RedisUnavailable
from cachecore.redis_client.fast_commands import CommandConnections


def put(**values):
    with connections.guarded_client("cache") as client:
        client.mset(values)


def get(key):
    return connections.execute("cache", "GET", key)


def kill_connections():
    with connections.guarded_client("cache") as client:
        client.client_kill_filter(_type="normal", skipme=True)


def test_the_reply_is_raw():
    put(a="1")
    assert connections.execute("cache", "MGET", "a", "b") == [b"1", None]


def test_a_connection_is_reused_for_the_next_command():
    id_of_one = connections.execute("cache", "CLIENT", "ID")
    assert connections.execute("cache", "CLIENT", "ID") == id_of_one


def test_a_connection_that_the_server_dropped_is_replaced():
    put(a="1")
    before = connections.execute("cache", "CLIENT", "ID")
    kill_connections()
    assert get("a") == b"1"
    assert connections.execute("cache", "CLIENT", "ID") != before
    assert connections.breaker("cache").state == "closed"


def test_a_reply_that_came_too_late_is_not_given_to_the_next_caller(valkey, settings):
    put(a="1", b="2")
    get("a")
    valkey.pause()
    with pytest.raises(RedisUnavailable, match="Redis role 'cache': TimeoutError"):
        get("a")
    valkey.resume()
    connections.breaker("cache").record_success()
    assert get("b") == b"2"


def test_while_the_breaker_is_open_no_socket_is_touched(valkey):
    get("a")
    connections.breaker("cache").record_failure()
    with redis.Redis.from_url(valkey.url) as client:
        before = client.info("stats")["total_commands_processed"]
        with pytest.raises(RedisUnavailable, match="not tried, the circuit breaker is open"):
            get("a")
        assert client.info("stats")["total_commands_processed"] == before + 1


def test_a_server_that_refuses_connections_is_unavailable_until_it_is_back(valkey):
    get("a")
    valkey.stop()
    with pytest.raises(RedisUnavailable, match="Redis role 'cache': ConnectionError"):
        get("a")
    valkey.start()
    connections.breaker("cache").record_success()
    assert get("a") is None


def test_a_programming_error_is_raised_and_the_next_command_succeeds():
    put(a="1")
    with pytest.raises(redis.ResponseError, match="wrong number of arguments"):
        connections.execute("cache", "GET", "a", "b")
    assert (get("a"), connections.breaker("cache").state) == (b"1", "closed")


def test_every_thread_gets_its_own_reply():
    keys = [f"key-{number}" for number in range(16)]
    put(**{key: key for key in keys})

    def read_often(key):
        return {get(key) for _ in range(200)}

    with ThreadPoolExecutor(len(keys)) as pool:
        assert list(pool.map(read_often, keys)) == [{key.encode()} for key in keys]


def test_a_forked_child_has_a_connection_of_its_own():
    ours = connections.execute("cache", "CLIENT", "ID")
    reading_end, writing_end = os.pipe()
    if (child := os.fork()) == 0:
        os.write(writing_end, str(connections.execute("cache", "CLIENT", "ID")).encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert int(os.read(reading_end, 100)) != ours
    assert connections.execute("cache", "CLIENT", "ID") == ours
    os.close(reading_end)
    os.close(writing_end)


def test_a_command_of_a_pipeline_that_the_server_cannot_serve_is_unavailable(valkey):
    """redis-py puts a text of its own before the error reply to a pipeline's command."""
    with redis.Redis.from_url(valkey.url) as admin:
        admin.config_set("min-replicas-to-write", 1)
        try:
            with pytest.raises(RedisUnavailable, match="Redis role 'cache': ResponseError"):
                put_in_a_pipeline()
        finally:
            admin.config_set("min-replicas-to-write", 0)


def put_in_a_pipeline():
    with connections.guarded_client("cache") as client, client.pipeline(transaction=False) as pipeline:
        pipeline.set("a", 1)
        pipeline.execute()


@pytest.fixture
def four_connections(settings):
    """Yield the command connections of a pool with at most four connections."""
    default = settings.CACHES["default"]
    bounded = default["OPTIONS"]["CONNECTION_POOL_KWARGS"] | {"max_connections": 4}
    settings.CACHES = settings.CACHES | {
        "default": default | {"OPTIONS": default["OPTIONS"] | {"CONNECTION_POOL_KWARGS": bounded}}
    }
    caches.close_all()
    ConnectionFactory._pools.clear()
    yield connections._command_connections("cache")
    ConnectionFactory._pools.clear()


def use_at_once(connections_of_pool, number):
    """Take and return several connections, as concurrent threads do."""
    taken = [connections_of_pool._take() for _ in range(number)]
    for connection in taken:
        connections_of_pool._put_back(connection)


def ping():
    with connections.guarded_client("cache") as client:
        return client.ping()


def test_half_of_a_bounded_pool_is_left_to_its_clients(four_connections):
    use_at_once(four_connections, 4)
    assert len(four_connections._idle) == 2
    with connections.guarded_client("cache") as one, one.pubsub() as subscribed:
        subscribed.subscribe("a")  # keeps its connection
        assert ping()


def test_an_exhausted_pool_gets_the_idle_connections_for_the_next_try(four_connections):
    use_at_once(four_connections, 4)
    pool = four_connections._pool
    held = [pool.get_connection() for _ in range(2)]
    with pytest.raises(RedisUnavailable, match="Redis role 'cache': MaxConnectionsError: Too many connections"):
        ping()
    assert connections.breaker("cache").state == "closed"  # the server has no part in it
    assert ping()
    for one in held:
        pool.release(one)


def test_a_pool_of_one_serves_commands_and_clients_in_turn(four_connections):
    four_connections._pool.max_connections = 1
    commands = CommandConnections(four_connections._pool)
    commands.execute("SET", "a", 1)
    assert ping()
    assert commands.execute("GET", "a") == b"1"
