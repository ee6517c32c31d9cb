"""The cache role on a real primary, replica and sentinel: after the primary's death the cache recovers by itself."""

import asyncio
import time
from contextlib import suppress

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction

from cachecore.async_cache import AsyncCache
from cachecore.redis_client import connections
from cachecore.redis_client.connections import RedisUnavailable
from cachecore.service import Cache
from config.sentinel import SentinelRole, parse_sentinel_url
from config.settings.caches import _redis_cache
from tests.cachecore.test_envelope import family
from tests.faults import ReplicatedValkey

PLAIN = family("failover-plain")
LOCAL = family("failover-near", local=True)
TIMEOUT_SECONDS = 2.0  # generous for a busy machine; a dead server refuses connections at once
FAILOVER_SECONDS = 30  # by then the sentinel of a busy machine has promoted the replica


@pytest.fixture
def servers(settings):
    replicated = ReplicatedValkey()
    try:
        replicated.start()
        url = f"redis+sentinel://127.0.0.1:{replicated.sentinel_port}/{replicated.service}/0"
        role = _redis_cache(url)
        role["OPTIONS"]["SOCKET_TIMEOUT"] = role["OPTIONS"]["SENTINEL_KWARGS"]["socket_timeout"] = TIMEOUT_SECONDS
        settings.REDIS_TIMEOUT_SECONDS = TIMEOUT_SECONDS  # for the event loops' clients
        settings.CACHES = {**settings.CACHES, "default": role}
        yield replicated
    finally:
        replicated.stop()


@pytest.fixture
def cache():
    return Cache()


def port_in_use():
    with connections.guarded_client("cache") as client:
        return client.info("server")["tcp_port"]


def until(done):
    """Call `done` until it returns a true value."""
    deadline = time.monotonic() + FAILOVER_SECONDS
    while not done():
        assert time.monotonic() < deadline


def failing():
    raise RuntimeError("the database is down too")


def test_the_cache_follows_a_failover_by_itself(cache, servers):
    stored, tagged = PLAIN.key(id="stored"), PLAIN.key(id="tagged")
    cache.set(stored, "stored before")
    cache.remember(tagged, None, lambda: "stored before", tags=["a"])
    assert port_in_use() == servers.primary_port
    servers.wait_for_replica()
    servers.kill_primary()

    values = []
    until(lambda: values.append(cache.remember(stored, None, lambda: "computed")) or values[-1] == "stored before")
    assert set(values) == {"computed", "stored before"}  # computed during the failover, never an error
    assert port_in_use() == servers.replica_port
    assert connections.breaker("cache").state == "closed"

    assert cache.get(tagged) == "stored before"  # the value and its tag's version were both replicated
    cache.invalidate_tag("a")
    assert cache.get(tagged) is None
    again = [cache.remember(tagged, None, lambda n=n: n, tags=["a"]) for n in range(2)]
    assert again == [0, 0]  # scripts and leases work on the new primary


def test_during_a_failover_stale_values_are_served_and_invalidations_raise(servers):
    cache = Cache(local_seconds=1e-9)  # local copies are revalidated on every read; only stale-if-error may serve them
    key = LOCAL.key(id=1)
    cache.remember(key, None, lambda: "old", tags=["a"])
    servers.kill_primary()
    assert cache.remember(key, None, failing, tags=["a"]) == "old"
    with pytest.raises(RedisUnavailable):
        cache.invalidate_tag("a")
    with pytest.raises(RuntimeError, match="the database is down too"):
        cache.remember(key, None, failing, tags=["a"])  # this process knows of the invalidation


@pytest.mark.django_db(transaction=True)
def test_an_invalidation_during_a_failover_is_queued_and_retried_on_the_new_primary(cache, servers):
    key, another = PLAIN.key(id=1), Cache()
    cache.remember(key, None, lambda: "old", tags=["a"])
    servers.wait_for_replica()
    servers.kill_primary()
    with transaction.atomic():
        cache.invalidate_tag("a")
    assert cache.stats().pending_invalidations == 1

    def retried():
        assert cache.remember(key, None, lambda: "new", tags=["a"]) == "new"  # never the replicated old value
        return cache.stats().pending_invalidations == 0

    until(retried)
    assert port_in_use() == servers.replica_port
    assert another.remember(key, None, lambda: "new", tags=["a"]) == "new"


def test_a_primary_that_became_a_replica_is_left_at_once(cache, servers):
    """A planned failover: the old primary is still reachable, and must be neither written to nor read."""
    key, another = PLAIN.key(id=1), Cache()
    cache.remember(key, None, lambda: "old", tags=["a"])
    servers.wait_for_replica()
    servers.fail_over()

    def invalidated():
        with suppress(RedisUnavailable):
            cache.invalidate_tag("a")
            return True

    until(invalidated)
    assert port_in_use() == servers.replica_port
    assert [one.remember(key, None, lambda: "new", tags=["a"]) for one in (another, cache)] == ["new", "new"]


def test_without_a_reachable_sentinel_reads_are_computed(cache, servers, settings):
    """A caller without a connection is no slower: looking up the primary has a time limit too."""
    cache.set(PLAIN.key(id=1), "stored")
    servers.stop()
    started = time.monotonic()
    assert [cache.remember(PLAIN.key(id=1), None, lambda n=n: n) for n in range(20)] == list(range(20))
    assert time.monotonic() - started < 2.0
    with pytest.raises(RedisUnavailable):
        cache.delete(PLAIN.key(id=1))


def test_event_loops_follow_a_failover_too(cache, servers):
    key = PLAIN.key(id=1)

    async def scenario():
        async def right():
            return "right"

        async with AsyncCache(cache) as async_cache, asyncio.timeout(FAILOVER_SECONDS):
            before = await async_cache.remember(key, None, right)
            await asyncio.to_thread(servers.wait_for_replica)
            servers.kill_primary()
            while await async_cache.get(key, "missing") == "missing":
                assert await async_cache.remember(PLAIN.key(id=2), None, right) == "right"
            return before, await async_cache.get(key)

    assert asyncio.run(scenario()) == ("right", "right")
    assert port_in_use() == servers.replica_port


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://host:6379/0", None),
        ("unix:///run/valkey.sock?db=0", None),
        ("redis+sentinel://one/cache", SentinelRole("redis://cache/0", [("one", 26379)])),
        ("redis+sentinel://u:p@one:1,two:2/cache/3", SentinelRole("redis://u:p@cache/3", [("one", 1), ("two", 2)])),
    ],
)
def test_the_url_names_the_sentinels_and_the_service(url, expected):
    assert parse_sentinel_url(url) == expected


@pytest.mark.parametrize("url", ["redis+sentinel://one:26379", "redis+sentinel:///cache", "redis+sentinel://one/"])
def test_a_url_without_sentinels_or_service_is_rejected(url):
    with pytest.raises(ImproperlyConfigured, match="must name sentinels and a service"):
        parse_sentinel_url(url)
