"""The cache role on a primary, a replica and a sentinel, all real: the primary dies, and the cache goes on."""

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
from config.sentinel import Watched, watched
from config.settings.caches import _redis_cache
from tests.cachecore.test_envelope import family
from tests.faults import ReplicatedValkey

PLAIN = family("failover-plain")
NEAR = family("failover-near", local=True)
BUSY_SECONDS = 2.0  # a busy machine is not a dead server, which refuses at once
OTHERS_SECONDS = 30  # when a busy machine's sentinel must have decided


@pytest.fixture
def servers(settings):
    replicated = ReplicatedValkey()
    try:
        replicated.start()
        url = f"redis+sentinel://127.0.0.1:{replicated.sentinel_port}/{replicated.service}/0"
        role = _redis_cache(url)
        role["OPTIONS"]["SOCKET_TIMEOUT"] = role["OPTIONS"]["SENTINEL_KWARGS"]["socket_timeout"] = BUSY_SECONDS
        settings.REDIS_TIMEOUT_SECONDS = BUSY_SECONDS  # of the event loops
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
    """Ask again and again, as callers do; no hand is raised meanwhile."""
    deadline = time.monotonic() + OTHERS_SECONDS
    while not done():
        assert time.monotonic() < deadline


def failing():
    raise RuntimeError("the database is away too")


def test_the_cache_goes_on_without_a_hand(cache, servers):
    stored, tagged = PLAIN.key(id="stored"), PLAIN.key(id="tagged")
    cache.set(stored, "from before")
    cache.remember(tagged, None, lambda: "from before", tags=["a"])
    assert port_in_use() == servers.primary_port
    servers.settle()
    servers.kill_primary()

    answers = []
    until(lambda: answers.append(cache.remember(stored, None, lambda: "computed")) or answers[-1] == "from before")
    assert set(answers) == {"computed", "from before"}  # by the database meanwhile; never an error
    assert port_in_use() == servers.replica_port
    assert connections.breaker("cache").state == "closed"

    assert cache.get(tagged) == "from before"  # the value and its tag's version have both survived
    cache.invalidate_tag("a")
    assert cache.get(tagged) is None
    again = [cache.remember(tagged, None, lambda n=n: n, tags=["a"]) for n in range(2)]
    assert again == [0, 0]  # scripts and leases work there


def test_meanwhile_old_values_are_served_and_invalidations_are_loud(servers):
    near = Cache(local_seconds=1e-9)  # memory is never trusted: only the fail-safe may serve it
    key = NEAR.key(id=1)
    near.remember(key, None, lambda: "old", tags=["a"])
    servers.kill_primary()
    assert near.remember(key, None, failing, tags=["a"]) == "old"
    with pytest.raises(RedisUnavailable):
        near.invalidate_tag("a")
    with pytest.raises(RuntimeError, match="the database is away too"):
        near.remember(key, None, failing, tags=["a"])  # known to be invalid here: its writer was told


@pytest.mark.django_db(transaction=True)
def test_an_invalidation_committed_meanwhile_is_owed_and_paid_by_the_new_primary(cache, servers):
    key, another = PLAIN.key(id=1), Cache()
    cache.remember(key, None, lambda: "old", tags=["a"])
    servers.settle()
    servers.kill_primary()
    with transaction.atomic():
        cache.invalidate_tag("a")
    assert cache.stats().pending_invalidations == 1

    def paid():
        assert cache.remember(key, None, lambda: "new", tags=["a"]) == "new"  # not the old value that came back
        return cache.stats().pending_invalidations == 0

    until(paid)
    assert port_in_use() == servers.replica_port
    assert another.remember(key, None, lambda: "new", tags=["a"]) == "new"


def test_a_primary_that_became_a_replica_is_left_at_once(cache, servers):
    """A planned failover: the old primary lives, answers, and must be neither written to nor read."""
    key, another = PLAIN.key(id=1), Cache()
    cache.remember(key, None, lambda: "old", tags=["a"])
    servers.settle()
    servers.fail_over()

    def invalidated():
        with suppress(RedisUnavailable):
            cache.invalidate_tag("a")
            return True

    until(invalidated)
    assert port_in_use() == servers.replica_port
    assert [one.remember(key, None, lambda: "new", tags=["a"]) for one in (another, cache)] == ["new", "new"]


def test_without_a_sentinel_that_answers_reads_are_computed(cache, servers, settings):
    """Also of those who have no connection yet: asking where the primary is has a time limit too."""
    cache.set(PLAIN.key(id=1), "stored")
    servers.stop()
    started = time.monotonic()
    assert [cache.remember(PLAIN.key(id=1), None, lambda n=n: n) for n in range(20)] == list(range(20))
    assert time.monotonic() - started < 2.0
    with pytest.raises(RedisUnavailable):
        cache.delete(PLAIN.key(id=1))


def test_event_loops_go_on_too(cache, servers):
    key = PLAIN.key(id=1)

    async def scenario():
        async def right():
            return "right"

        async with AsyncCache(cache) as async_cache, asyncio.timeout(OTHERS_SECONDS):
            before = await async_cache.remember(key, None, right)
            await asyncio.to_thread(servers.settle)
            servers.kill_primary()
            while await async_cache.get(key, "away") == "away":
                assert await async_cache.remember(PLAIN.key(id=2), None, right) == "right"
            return before, await async_cache.get(key)

    assert asyncio.run(scenario()) == ("right", "right")
    assert port_in_use() == servers.replica_port


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://host:6379/0", None),
        ("unix:///run/valkey.sock?db=0", None),
        ("redis+sentinel://one/cache", Watched("redis://cache/0", [("one", 26379)])),
        ("redis+sentinel://u:p@one:1,two:2/cache/3", Watched("redis://u:p@cache/3", [("one", 1), ("two", 2)])),
    ],
)
def test_the_sentinels_and_the_service_are_in_the_url(url, expected):
    assert watched(url) == expected


@pytest.mark.parametrize("url", ["redis+sentinel://one:26379", "redis+sentinel:///cache", "redis+sentinel://one/"])
def test_a_url_that_leaves_them_out_stops_the_start(url):
    with pytest.raises(ImproperlyConfigured, match="names its sentinels and a service"):
        watched(url)
