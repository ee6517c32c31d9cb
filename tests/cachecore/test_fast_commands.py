"""The shortest way to Redis, on a real one: whose reply a caller gets, and what a lost connection costs."""

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


def test_the_reply_is_bare():
    put(a="1")
    assert connections.execute("cache", "MGET", "a", "b") == [b"1", None]


def test_a_connection_is_kept_for_the_next_command():
    id_of_one = connections.execute("cache", "CLIENT", "ID")
    assert connections.execute("cache", "CLIENT", "ID") == id_of_one


def test_a_connection_that_the_server_dropped_is_made_anew():
    put(a="1")
    before = connections.execute("cache", "CLIENT", "ID")
    kill_connections()
    assert get("a") == b"1"
    assert connections.execute("cache", "CLIENT", "ID") != before
    assert connections.breaker("cache").state == "closed"


def test_a_reply_that_came_too_late_is_nobodys(valkey, settings):
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
        with pytest.raises(RedisUnavailable, match="not tried, it failed a moment ago"):
            get("a")
        assert client.info("stats")["total_commands_processed"] == before + 1


def test_a_server_that_refuses_is_unavailable_and_comes_back(valkey):
    get("a")
    valkey.stop()
    with pytest.raises(RedisUnavailable, match="Redis role 'cache': ConnectionError"):
        get("a")
    valkey.start()
    connections.breaker("cache").record_success()
    assert get("a") is None


def test_a_fault_of_ours_is_loud_and_the_next_command_is_well():
    put(a="1")
    with connections.guarded_client("cache") as client:
        client.rpush("list", "x")
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        get("list")
    assert (get("a"), connections.breaker("cache").state) == (b"1", "closed")


def test_every_thread_gets_its_own_reply():
    keys = [f"key-{number}" for number in range(16)]
    put(**{key: key for key in keys})

    def ask_often(key):
        return {get(key) for _ in range(200)}

    with ThreadPoolExecutor(len(keys)) as pool:
        assert list(pool.map(ask_often, keys)) == [{key.encode()} for key in keys]


def test_a_forked_child_has_a_connection_of_its_own():
    ours = connections.execute("cache", "CLIENT", "ID")
    hears, says = os.pipe()
    if (child := os.fork()) == 0:
        os.write(says, str(connections.execute("cache", "CLIENT", "ID")).encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert int(os.read(hears, 100)) != ours
    assert connections.execute("cache", "CLIENT", "ID") == ours
    os.close(hears)
    os.close(says)


def test_what_fails_in_a_pipeline_for_the_servers_sake_is_unavailable(valkey):
    """redis-py puts the reply of a pipeline's command behind a text of its own."""
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
    """A pool of four at most, and all four used at once: as busy threads leave it."""
    told = settings.CACHES["default"]
    bounded = told["OPTIONS"]["CONNECTION_POOL_KWARGS"] | {"max_connections": 4}
    settings.CACHES = settings.CACHES | {
        "default": told | {"OPTIONS": told["OPTIONS"] | {"CONNECTION_POOL_KWARGS": bounded}}
    }
    caches.close_all()
    ConnectionFactory._pools.clear()
    yield connections._command_connections("cache")
    ConnectionFactory._pools.clear()


def used_at_once(lines, number):
    """As threads do that ask at the same time, whose replies come in no order."""
    taken = [lines._taken() for _ in range(number)]
    for line in taken:
        lines._leave(line)


def ping():
    with connections.guarded_client("cache") as client:
        return client.ping()


def test_lines_leave_half_of_a_bounded_pool_to_its_clients(four_connections):
    used_at_once(four_connections, 4)
    assert len(four_connections._idle) == 2
    with connections.guarded_client("cache") as one, one.pubsub() as subscribed:
        subscribed.subscribe("a")  # keeps its connection
        assert ping()


def test_who_finds_the_pool_empty_gets_the_idle_lines_for_the_next_try(four_connections):
    used_at_once(four_connections, 4)
    pool = four_connections._pool
    held = [pool.get_connection() for _ in range(2)]
    with pytest.raises(RedisUnavailable, match="Redis role 'cache': MaxConnectionsError: Too many connections"):
        ping()
    assert connections.breaker("cache").state == "closed"  # the server has no part in it
    assert ping()
    for one in held:
        pool.release(one)


def test_a_pool_of_one_serves_lines_and_clients_in_turn(four_connections):
    four_connections._pool.max_connections = 1
    lines = CommandConnections(four_connections._pool)
    lines.execute("SET", "a", 1)
    assert ping()
    assert lines.execute("GET", "a") == b"1"
