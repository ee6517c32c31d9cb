"""What is owed to Redis is paid without anybody's asking: by a thread that ends with the debt, and at exit."""

import subprocess
import sys

import pytest

from cachecore.redis_client import connections
from cachecore.redis_client.connections import RedisUnavailable
from cachecore.service import Cache
from cachecore.storage import clearing
from cachecore.writes import retry_queue
from tests.cachecore.test_envelope import family

PLAIN = family("paying-plain")
KEY = PLAIN.key(id=1)


@pytest.fixture
def cache():
    return Cache()


def owe(cache, monkeypatch, seconds):
    monkeypatch.setattr(retry_queue, "FIRST_SECONDS", seconds)
    connections.breaker("cache").record_failure()  # away, with its data
    with pytest.raises(RedisUnavailable):
        cache.invalidate_tag("a")


def test_an_idle_process_pays(cache, monkeypatch):
    cache.set(KEY, "old", tags=["a"])
    owe(cache, monkeypatch, 0.01)
    thread = cache._invalidator.retry_worker.thread
    connections.breaker("cache").record_success()
    thread.join(10)
    assert not thread.is_alive()
    assert (Cache().get(KEY), cache.stats().pending_invalidations) == (None, 0)
    owe(cache, monkeypatch, 0.01)  # the next debt has a thread of its own
    again = cache._invalidator.retry_worker.thread
    assert again not in (None, thread)
    connections.breaker("cache").record_success()
    again.join(10)
    assert cache.stats().pending_invalidations == 0


def test_one_thread_pays_and_goes_on_while_redis_is_away(cache, monkeypatch):
    tries = []
    pay = cache._invalidator.retry

    def counted():
        tries.append(1)
        if len(tries) == 3:
            connections.breaker("cache").record_success()
        pay()

    monkeypatch.setattr(cache._invalidator, "retry", counted)
    monkeypatch.setattr(retry_queue, "LONGEST_SECONDS", 0.01)
    monkeypatch.setattr(connections.breaker("cache"), "_open_seconds", 60.0)
    owe(cache, monkeypatch, 0.01)
    thread = cache._invalidator.retry_worker.thread
    thread.join(10)
    assert len(tries) == 3
    assert cache.stats().pending_invalidations == 0


def test_who_reads_pays_nothing(cache, monkeypatch):
    owe(cache, monkeypatch, 60)
    thread = cache._invalidator.retry_worker.thread
    connections.breaker("cache").record_success()
    assert cache.get(KEY) is None
    assert cache.get_many([KEY]) == {}
    assert cache.remember(KEY, None, lambda: 1) == 1
    cache._invalidator.retry_worker.wake()
    assert cache._invalidator.retry_worker.thread is thread
    assert cache.stats().pending_invalidations == 1


def test_a_cache_that_nobody_uses_any_more_takes_its_debt_with_it(monkeypatch):
    cache = Cache()
    owe(cache, monkeypatch, 0.01)
    thread = cache._invalidator.retry_worker.thread
    del cache
    thread.join(10)
    assert not thread.is_alive()


def test_an_ended_payer_leaves_the_debt_and_can_be_woken(cache, monkeypatch):
    owe(cache, monkeypatch, 60)
    payer = cache._invalidator.retry_worker
    thread = payer.thread
    payer.stop()
    assert not thread.is_alive()
    assert cache.stats().pending_invalidations == 1
    monkeypatch.setattr(retry_queue, "FIRST_SECONDS", 0.01)
    payer.wake()
    thread = payer.thread
    connections.breaker("cache").record_success()
    thread.join(10)
    assert cache.stats().pending_invalidations == 0


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


def test_a_process_pays_at_its_end(cache):
    cache.set(KEY, "old", tags=["a"])
    ran = subprocess.run([sys.executable, "-c", ENDING], capture_output=True, text=True, timeout=60, check=True)
    assert ran.stdout == "1\n"
    assert cache.get(KEY) is None


def test_everything_is_cleared_by_two_scans(cache):
    with connections.guarded_client("cache") as client:
        client.set("somebody:elses", 1)
        cache.set(KEY, "value", tags=["a"])
        client.set(f"lease:{KEY}", "held")
        client.config_resetstat()
        clearing.clear_everything()
        assert client.info("commandstats")["cmdstat_scan"]["calls"] == 2
        assert sorted(client.keys()) == [b"responses:cleared", b"somebody:elses"]
