"""Invalidations that failed are retried: by a thread that ends with the queue, and when the process exits."""

import pytest

from cachecore.redis_client import connections
from cachecore.redis_client.connections import RedisUnavailable
from cachecore.service import Cache
from cachecore.storage import clearing
from cachecore.writes import retry_queue
from tests.cachecore.test_envelope import family
from tests.processes import run_python

PLAIN = family("retry-plain")
KEY = PLAIN.key(id=1)


def fail_to_invalidate(cache, monkeypatch, seconds):
    monkeypatch.setattr(retry_queue, "FIRST_SECONDS", seconds)
    connections.breaker("cache").record_failure()  # unavailable, with its data
    with pytest.raises(RedisUnavailable):
        cache.invalidate_tag("a")


def test_an_idle_process_retries(cache, monkeypatch):
    cache.set(KEY, "old", tags=["a"])
    fail_to_invalidate(cache, monkeypatch, 0.01)
    thread = cache._invalidator.retry_worker.thread
    connections.breaker("cache").record_success()
    thread.join(10)
    assert not thread.is_alive()
    assert (Cache().get(KEY), cache.stats().pending_invalidations) == (None, 0)
    fail_to_invalidate(cache, monkeypatch, 0.01)  # the next failure starts a new thread
    again = cache._invalidator.retry_worker.thread
    assert again not in (None, thread)
    connections.breaker("cache").record_success()
    again.join(10)
    assert cache.stats().pending_invalidations == 0


def test_one_thread_retries_until_redis_is_back(cache, monkeypatch):
    tries = []
    retry = cache._invalidator.retry

    def counted():
        tries.append(1)
        if len(tries) == 3:
            connections.breaker("cache").record_success()
        retry()

    monkeypatch.setattr(cache._invalidator, "retry", counted)
    monkeypatch.setattr(retry_queue, "LONGEST_SECONDS", 0.01)
    monkeypatch.setattr(connections.breaker("cache"), "_open_seconds", 60.0)
    fail_to_invalidate(cache, monkeypatch, 0.01)
    thread = cache._invalidator.retry_worker.thread
    thread.join(10)
    assert len(tries) == 3
    assert cache.stats().pending_invalidations == 0


def test_reads_do_not_retry(cache, monkeypatch):
    fail_to_invalidate(cache, monkeypatch, 60)
    thread = cache._invalidator.retry_worker.thread
    connections.breaker("cache").record_success()
    assert cache.get(KEY) is None
    assert cache.get_many([KEY]) == {}
    assert cache.remember(KEY, None, lambda: 1) == 1
    cache._invalidator.retry_worker.wake()
    assert cache._invalidator.retry_worker.thread is thread
    assert cache.stats().pending_invalidations == 1


def test_the_thread_of_a_collected_cache_ends(monkeypatch):
    cache = Cache()
    fail_to_invalidate(cache, monkeypatch, 0.01)
    thread = cache._invalidator.retry_worker.thread
    del cache
    thread.join(10)
    assert not thread.is_alive()


def test_a_stopped_worker_leaves_the_queue_and_can_be_woken(cache, monkeypatch):
    fail_to_invalidate(cache, monkeypatch, 60)
    worker = cache._invalidator.retry_worker
    thread = worker.thread
    worker.stop()
    assert not thread.is_alive()
    assert cache.stats().pending_invalidations == 1
    monkeypatch.setattr(retry_queue, "FIRST_SECONDS", 0.01)
    worker.wake()
    thread = worker.thread
    connections.breaker("cache").record_success()
    thread.join(10)
    assert cache.stats().pending_invalidations == 0


def test_the_queue_is_bounded(cache, monkeypatch):
    monkeypatch.setattr(retry_queue, "MAX_NAMES", 10)
    cache.set(KEY, "old", tags=["unrelated"])
    cache._invalidator.retry_queue.add((), [f"tag-{number}" for number in range(11)])
    assert len(cache._invalidator.retry_queue) == 1
    assert cache._invalidator.must_bypass(KEY, ())
    cache._invalidator.retry()  # deletes all values of the cache
    assert len(cache._invalidator.retry_queue) == 0
    with connections.guarded_client("cache") as client:
        assert not client.exists(KEY)


def test_a_name_added_during_a_retry_stays_queued():
    queue = retry_queue.RetryQueue()
    queue.add((), ["a"])
    batch = queue.batch()
    queue.add((), ["a"])
    queue.acknowledge(batch)
    assert queue.contains("k", ["a"])


ENDING = """
import django
django.setup()
from cachecore.writes import retry_queue
from cachecore.redis_client import connections
from cachecore.service import cache
retry_queue.FIRST_SECONDS = 60
connections.breaker("cache").record_failure()
try:
    cache.invalidate_tag("a")
except connections.RedisUnavailable:
    connections.breaker("cache").record_success()
print(cache.stats().pending_invalidations)
"""


def test_a_process_retries_when_it_exits(cache):
    cache.set(KEY, "old", tags=["a"])
    process = run_python("-c", ENDING)
    assert process.stdout == "1\n"
    assert cache.get(KEY) is None


def test_clearing_everything_takes_two_scans(cache):
    with connections.guarded_client("cache") as client:
        client.set("another:application", 1)
        cache.set(KEY, "value", tags=["a"])
        client.set(f"lease:{KEY}", "held")
        client.config_resetstat()
        clearing.clear_everything()
        assert client.info("commandstats")["cmdstat_scan"]["calls"] == 2
        assert sorted(client.keys()) == [b"another:application", b"responses:cleared"]
