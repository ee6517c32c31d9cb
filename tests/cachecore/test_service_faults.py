"""A Redis that refuses, hangs, is flushed or evicts: reads go on, writes report it, the cache recovers."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from cachecore.redis_client import connections
from cachecore.redis_client.connections import RedisUnavailable
from cachecore.service import Cache
from cachecore.stats import stats
from cachecore.writes import retry_queue
from tests.cachecore.test_envelope import family

PLAIN = family("faults-plain")
LOCAL = family("faults-local", local=True)


@pytest.fixture
def count(monkeypatch):
    counted = []
    monkeypatch.setattr(stats, "count", lambda family, event, amount=1: counted.append(event))
    return counted


def failing():
    raise RuntimeError("the database is down too")


@pytest.mark.parametrize("fault", ["stop", "pause"])
def test_reads_are_computed_while_redis_is_unavailable(cache, valkey, count, fault):
    cache.set(PLAIN.key(id=1), "stored")
    count.clear()
    getattr(valkey, fault)()
    assert [cache.remember(PLAIN.key(id=1), None, lambda n=n: n) for n in range(3)] == [0, 1, 2]
    assert cache.get(PLAIN.key(id=1), "default") == "default"
    assert cache.get_many([PLAIN.key(id=1)]) == {}
    assert count.count("error") >= 5
    assert count.count("bypass") == 3


def test_twenty_reads_during_a_hang_cost_one_time_limit(cache, valkey, monkeypatch, settings):
    cache.set(PLAIN.key(id=1), "stored")
    opened = []
    breaker = connections.breaker("cache")
    monkeypatch.setattr(breaker, "_open_seconds", 60.0)  # no probe within this test
    failed = breaker.record_failure
    monkeypatch.setattr(breaker, "record_failure", lambda: (opened.append(threading.current_thread()), failed()))
    valkey.pause()
    spent = []
    for _ in range(20):
        started = time.monotonic()
        assert cache.remember(PLAIN.key(id=1), None, lambda: "computed") == "computed"
        spent.append(time.monotonic() - started)
    assert opened.count(threading.current_thread()) == 1  # one timeout; a thread of an earlier test may run into it too
    assert spent[0] < settings.REDIS_TIMEOUT_SECONDS + 1.0
    assert sorted(spent[1:])[9] <= 0.005  # the others touch no socket


def test_it_recovers_by_itself_and_probes_once(cache, valkey):
    key = PLAIN.key(id=1)
    valkey.stop()
    cache.remember(key, None, lambda: 1)
    valkey.start()
    deadline = time.monotonic() + 5
    while not cache.exists(key) and time.monotonic() < deadline:
        cache.remember(key, None, lambda: 2)
    assert cache.get(key) == 2
    assert connections.breaker("cache").state == "closed"


def test_a_flushed_server_causes_one_miss(cache):
    factory = iter(range(9))
    assert cache.remember(PLAIN.key(id=1), None, lambda: next(factory), tags=["a"]) == 0
    with connections.guarded_client("cache") as client:
        client.flushall()
        client.script_flush()
    assert cache.remember(PLAIN.key(id=1), None, lambda: next(factory), tags=["a"]) == 1
    assert cache.remember(PLAIN.key(id=1), None, lambda: next(factory), tags=["a"]) == 1


@pytest.mark.parametrize("lost", ["tag:a", "faults-plain:1"])
def test_an_evicted_value_or_version_is_a_miss(cache, lost):
    cache.remember(PLAIN.key(id=1), None, lambda: "old", tags=["a"])
    with connections.guarded_client("cache") as client:
        assert client.delete(lost) == 1
    assert cache.remember(PLAIN.key(id=1), None, lambda: "new", tags=["a"]) == "new"


def test_an_evicting_server_never_causes_a_wrong_value(cache, valkey):
    admin = redis.Redis.from_url(valkey.url)
    used = admin.info("memory")["used_memory"]
    admin.config_set("maxmemory-policy", "allkeys-lru")
    admin.config_set("maxmemory", used + 2_000_000)
    try:
        import random

        noise = random.Random(1).randbytes
        for number in range(400):
            value = [number, noise(20_000)]
            assert cache.remember(PLAIN.key(id=number), None, lambda value=value: value, tags=["a"])[0] == number
        assert admin.info("stats")["evicted_keys"] > 0
        found = cache.get_many(PLAIN.key(id=number) for number in range(400))
        assert all(key == f"faults-plain:{value[0]}" for key, value in found.items())
        cache.invalidate_tag("a")
        assert cache.get_many(PLAIN.key(id=number) for number in range(400)) == {}
    finally:
        admin.config_set("maxmemory", 0)
        admin.config_set("maxmemory-policy", "noeviction")
        admin.config_resetstat()
        admin.close()


def test_with_a_full_server_reads_are_computed_and_invalidations_raise(cache, valkey):
    admin = redis.Redis.from_url(valkey.url)
    admin.config_set("maxmemory", 1)
    try:
        assert cache.remember(PLAIN.key(id=1), None, lambda: "computed") == "computed"
        with pytest.raises(RedisUnavailable):
            cache.invalidate_tag("a")
    finally:
        admin.config_set("maxmemory", 0)
        admin.close()


def test_without_redis_and_database_the_local_value_is_served_until_its_hard_ttl(valkey):
    local = Cache(local_seconds=1e-9)  # always due for revalidation: only stale-if-error may serve it
    local.remember(LOCAL.key(id=1), None, lambda: "old", tags=["a"])
    valkey.stop()
    assert local.remember(LOCAL.key(id=1), None, lambda: "computed", tags=["a"]) == "computed"  # the database first
    assert local.remember(LOCAL.key(id=1), None, failing, tags=["a"]) == "old"
    with pytest.raises(RuntimeError, match="the database is down too"):
        local.remember(LOCAL.key(id=1), None, failing, tags=["b"])  # a value with other tags
    with pytest.raises(RedisUnavailable):
        local.invalidate_tag("a")
    with pytest.raises(RuntimeError, match="the database is down too"):
        local.remember(LOCAL.key(id=1), None, failing, tags=["a"])  # this process has invalidated it


def test_a_local_value_that_cannot_be_revalidated_is_not_served(valkey):
    local = Cache(local_seconds=1e-9)
    local.remember(LOCAL.key(id=1), None, lambda: "old")
    valkey.pause()
    assert local.remember(LOCAL.key(id=1), None, lambda: "computed") == "computed"


def test_callers_of_a_process_share_a_computation_while_redis_is_unavailable(cache, valkey):
    """Six callers join while the first one computes. One of them then computes for all six, after their calls began."""
    valkey.stop()
    key, calls, others = PLAIN.key(id=1), [], []

    def factory():
        calls.append(1)
        if len(calls) == 1:
            others.extend(pool.submit(cache.remember, key, None, factory) for _ in range(6))
        waiting = cache._flights._by_key[key].future._condition._waiters
        while len(waiting) < 7 - len(calls):
            pass
        return len(calls)

    with ThreadPoolExecutor(6) as pool:
        assert cache.remember(key, None, factory) == 1
        assert [other.result(10) for other in others] == [2] * 6


def test_a_failed_invalidation_is_retried_although_it_raised(cache, monkeypatch):
    monkeypatch.setattr(retry_queue.RetryWorker, "wake", lambda worker: None)  # the test retries itself
    key, other_process = PLAIN.key(id=1), Cache()
    for change in (lambda: cache.invalidate_tag("a"), lambda: cache.delete(key)):
        cache.set(key, "old", tags=["a"])
        connections.breaker("cache").record_failure()
        with pytest.raises(RedisUnavailable):
            change()
        assert cache.stats().pending_invalidations == 1
        connections.breaker("cache").record_success()
        assert other_process.get(key) == "old"
        cache._invalidator.retry()
        assert cache.get(key) is None
        assert (other_process.get(key), cache.stats().pending_invalidations) == (None, 0)


def test_a_retry_that_fails_is_logged_and_stays_queued(cache, monkeypatch, caplog):
    """For example if an ACL forbids writing."""
    monkeypatch.setattr(retry_queue.RetryWorker, "wake", lambda worker: None)  # the test retries itself
    monkeypatch.setattr(connections, "_refusals", {})
    connections.breaker("cache").record_failure()
    with pytest.raises(RedisUnavailable):
        cache.invalidate_tag("a")
    connections.breaker("cache").record_success()
    with connections.guarded_client("cache") as client:
        client.execute_command("ACL", "SETUSER", "default", "-set")
        try:
            cache._invalidator.retry()
            assert "Redis role 'cache' refused SET: " in caplog.text
        finally:
            client.execute_command("ACL", "SETUSER", "default", "+set")
    assert cache.stats().pending_invalidations == 1
    cache._invalidator.retry()
    assert cache.stats().pending_invalidations == 0


def test_redis_unavailable_raised_by_the_factory_is_not_taken_for_the_caches(cache):
    calls = []

    def factory():
        calls.append(1)
        raise RedisUnavailable("state", "gone")

    with pytest.raises(RedisUnavailable, match="Redis role 'state': gone"):
        cache.remember(PLAIN.key(id=1), None, factory)
    assert calls == [1]


def test_a_foreign_type_under_a_key_is_computed_counted_and_logged_once(cache, caplog, monkeypatch):
    monkeypatch.setattr(connections, "_refusals", {})
    with connections.guarded_client("cache") as client:
        client.rpush(PLAIN.key(id=1), "a list")
    before = stats.snapshot().family(PLAIN.name).events("bypass")
    for value in (1, 2):
        assert cache.remember(PLAIN.key(id=1), None, lambda value=value: value) == value
    assert (cache.get(PLAIN.key(id=1)), cache.get_many([PLAIN.key(id=1)])) == (None, {})
    assert stats.snapshot().family(PLAIN.name).events("bypass") == before + 2
    assert connections.breaker("cache").state == "closed"
    refusals = [one.getMessage() for one in caplog.records if "refused EVALSHA" in one.getMessage()]
    assert len(refusals) == 1
    assert "WRONGTYPE" in refusals[0]
