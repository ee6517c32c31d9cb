"""A failover behind one name: the old primary stays up as a replica, and open connections still lead to it."""

import asyncio
import queue
import time

import pytest

from cachecore import locks, pubsub, versions
from cachecore.async_cache import AsyncCache
from cachecore.redis_client import connections
from cachecore.redis_client.connections import RedisUnavailable
from cachecore.service import Cache
from config.settings.caches import _redis_cache
from games.keys import GAMES
from tests.cachecore.test_envelope import family
from tests.faults import MovingName, ReplicatedValkey

PLAIN = family("behind-a-name")
TIMEOUT_SECONDS = 2.0  # generous for a busy machine
RECOVERED_SECONDS = 30.0  # a bound for a busy machine; `benchmarks` measure


@pytest.fixture
def servers(settings):
    replicated = ReplicatedValkey()
    name = None
    try:
        replicated.start()
        name = MovingName(replicated.primary_port)
        role = _redis_cache(name.url)
        role["OPTIONS"]["SOCKET_TIMEOUT"] = TIMEOUT_SECONDS
        settings.REDIS_TIMEOUT_SECONDS = TIMEOUT_SECONDS
        settings.CACHES = {"default": role, "state": {**role, "LOCATION": f"{name.url}?client_name=state"}}
        replicated.name = name
        yield replicated
    finally:
        pubsub.shared.close()
        if name is not None:
            name.close()
        replicated.stop()


def fail_over(servers):
    servers.wait_for_replica()
    servers.promote_replica()
    servers.name.move_to(servers.replica_port)


def port_of(role):
    with connections.guarded_client(role) as client:
        return client.info("server")["tcp_port"]


def succeeds(call):
    """Call until it succeeds. Return how often it was refused."""
    deadline = time.monotonic() + RECOVERED_SECONDS
    for refused in range(1_000_000):
        try:
            call()
            return refused
        except RedisUnavailable:
            assert time.monotonic() < deadline
    raise AssertionError


def take_a_lock():
    with locks.lock("behind-a-name", 5):
        pass


CALLS = {
    "invalidate_tag": lambda: Cache().invalidate_tag("a"),
    "lock": take_a_lock,
    "raise_version": lambda: versions.raise_version(GAMES),
    "set": lambda: connections.execute("state", "SET", "behind-a-name", "1", "EX", "10"),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_write_is_refused_once_and_then_reaches_the_new_primary(servers, name):
    CALLS[name]()
    assert (port_of("cache"), port_of("state")) == (servers.primary_port, servers.primary_port)
    fail_over(servers)
    role = "cache" if name == "invalidate_tag" else "state"
    assert succeeds(CALLS[name]) == 1
    assert port_of(role) == servers.replica_port
    assert connections.breaker(role).state == "closed"


def test_hits_go_on_while_writes_are_refused(servers):
    cache = Cache()
    cache.remember(PLAIN.key(id=1), None, lambda: "stored", tags=["a"])
    servers.wait_for_replica()
    servers.promote_replica()  # the name still leads to the old primary
    for _ in range(20):
        with pytest.raises(RedisUnavailable, match="ReadOnlyError"):
            connections.execute("cache", "SET", "behind-a-name", "1")
        assert cache.remember(PLAIN.key(id=1), None, lambda: "computed", tags=["a"]) == "stored"


def test_a_server_that_stays_read_only_costs_no_connection_per_write(servers):
    servers.wait_for_replica()
    servers.promote_replica()
    connected = len(servers.name.connected_at)
    for _ in range(50):
        with pytest.raises(RedisUnavailable):
            connections.execute("state", "SET", "behind-a-name", "1")
    assert len(servers.name.connected_at) - connected <= 5


def test_readers_of_event_loops_follow_what_threads_noticed(servers):
    async def read():
        client = connections.async_client("cache")
        try:
            async with connections.guarded("cache", client) as guarded:
                before = (await guarded.info("server"))["tcp_port"]
            await asyncio.to_thread(CALLS["invalidate_tag"])
            await asyncio.to_thread(fail_over, servers)
            await asyncio.to_thread(succeeds, CALLS["invalidate_tag"])
            async with connections.guarded("cache", client) as guarded:
                return before, (await guarded.info("server"))["tcp_port"]
        finally:
            await client.aclose()

    assert asyncio.run(read()) == (servers.primary_port, servers.replica_port)


def test_an_event_loop_notices_by_itself(servers):
    async def write():
        async def value():
            return "computed"

        async with AsyncCache(Cache()) as cache:
            await cache.remember(PLAIN.key(id=2), None, value)
            await asyncio.to_thread(fail_over, servers)
            for number in range(1_000):
                await cache.remember(PLAIN.key(id=3 + number), None, value)
                if await cache.get(PLAIN.key(id=3 + number)) == "computed":
                    return number
        raise AssertionError

    assert asyncio.run(write()) <= 2


def test_messages_published_on_the_new_primary_are_received(servers):
    received = queue.SimpleQueue()
    pubsub.subscribe("behind-a-name", lambda message: received.put(message.data))
    assert pubsub.ready(10)
    CALLS["raise_version"]()
    fail_over(servers)
    servers.client(servers.primary_port).replicaof("127.0.0.1", 1)  # it replicates nothing any more
    succeeds(CALLS["raise_version"])
    deadline = time.monotonic() + RECOVERED_SECONDS
    while received.empty():
        assert time.monotonic() < deadline
        pubsub.publish("behind-a-name", "new")
    assert received.get() == "new"
