"""Redis is slow, or hangs for several windows of the breaker: values stay correct, and the cost is bounded.

`test_service_faults.py` tests a Redis that refuses connections, hangs, loses data and evicts.
"""

import asyncio
import statistics
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest

from cachecore.async_cache import AsyncCache
from cachecore.redis_client import connections
from cachecore.redis_client.connections import RedisUnavailable
from cachecore.service import Cache, WarmupEntry
from cachecore.stats import stats
from tests.cachecore.test_envelope import family
from tests.faults import FaultProxy

PLAIN = family("slow-plain")
LOCAL = family("slow-near", local=True)
DELAY_SECONDS = 0.1
GENEROUS_LIMIT_SECONDS = 1.0  # well above the delay; the default of 0.25 s is too short on a busy machine
NO_SOCKET_SECONDS = 0.005  # the most that a read without a socket may take
SCHEDULING_SECONDS = 1.0  # the most that a busy machine may add to a time limit


@pytest.fixture
def cache():
    return Cache()


@pytest.fixture(autouse=True)
def _nothing_counted():
    stats.reset()
    yield
    stats.reset()


@pytest.fixture
def through(settings):
    """Return a function that routes the cache role through a fault proxy, which it returns."""
    proxies = []

    def route(delay_seconds=0.0, time_limit_seconds=None):
        proxies.append(FaultProxy(delay_seconds))
        role = {**settings.CACHES["default"], "LOCATION": proxies[-1].url}
        if time_limit_seconds is not None:
            settings.REDIS_TIMEOUT_SECONDS = time_limit_seconds
            role["OPTIONS"] = {**role["OPTIONS"], "SOCKET_TIMEOUT": time_limit_seconds}
        settings.CACHES = {**settings.CACHES, "default": role}
        return proxies[-1]

    yield route
    for proxy in proxies:
        proxy.close()


def incidents(kind):
    """Return the number of events that a healthy Redis never causes."""
    return stats.snapshot().family(kind.name).events("error", "bypass", "lease_lost")


def breaker_state():
    return connections.breaker("cache").state


# Slow, but within the time limit: correct and merely slow


def test_a_slow_redis_gives_correct_results_and_opens_no_breaker(cache, through):
    through(DELAY_SECONDS, GENEROUS_LIMIT_SECONDS)
    one, two, counter = (PLAIN.key(id=name) for name in ("one", "two", "counter"))
    values = [cache.remember(one, None, lambda n=n: n, tags=["a"]) for n in range(3)]
    assert values == [0, 0, 0]
    assert cache.set(two, "set", tags=["a"])
    assert cache.get_many([one, two]) == {one: 0, two: "set"}
    assert cache.write_through(two, "written", lambda: "saved", tags=["a"]) == "saved"
    assert (cache.get(two), cache.increment(counter), cache.delete(counter)) == ("written", 1, 1)
    cache.invalidate_tag("a")
    assert cache.get_many([one, two, counter]) == {}
    assert cache.warm([WarmupEntry(one, lambda: "warm")]) == (1, 0, 0)
    assert (incidents(PLAIN), breaker_state()) == (0, "closed")


def test_a_slow_redis_costs_a_hit_one_round_trip(cache, through):
    key = PLAIN.key(id=1)
    through(DELAY_SECONDS, GENEROUS_LIMIT_SECONDS)
    cache.remember(key, None, lambda: "stored", tags=["a", "b"])
    spent = []
    for _ in range(5):
        started = time.monotonic()
        assert cache.remember(key, None, lambda: "computed", tags=["a", "b"]) == "stored"
        spent.append(time.monotonic() - started)
    assert DELAY_SECONDS <= min(spent) < 2 * DELAY_SECONDS


def test_a_slow_redis_does_not_slow_local_hits(cache, through):
    cache = Cache(local_seconds=60)
    through(DELAY_SECONDS, GENEROUS_LIMIT_SECONDS)
    cache.remember(LOCAL.key(id=1), None, lambda: "local")
    spent = []
    for _ in range(20):
        started = time.monotonic()
        assert cache.remember(LOCAL.key(id=1), None, lambda: "computed") == "local"
        spent.append(time.monotonic() - started)
    assert statistics.median(spent) <= NO_SOCKET_SECONDS


def test_waiting_for_another_process_through_a_slow_redis_is_no_failure(through):
    """The wait takes time, an idle server ends it up to a tenth of a second late, and its reply is slow.

    One success in three is enough: a busy machine may exceed any limit.
    """
    through(0.07)
    outcomes = []
    while len(outcomes) < 3 and ("the one value", 0) not in outcomes:
        stats.reset()
        outcomes.append((value_after_four_waits(PLAIN.key(id=len(outcomes))), incidents(PLAIN)))
    assert ("the one value", 0) in outcomes
    assert breaker_state() == "closed"


def value_after_four_waits(key):
    """Return the value that a caller gets after waiting four times for another process."""
    ours, another = Cache(), Cache()
    computing, enough = threading.Event(), threading.Event()

    def slow():
        computing.set()
        assert enough.wait(30)
        return "the one value"

    def waits():
        return stats.snapshot().family(PLAIN.name).events("wait")

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(another.remember, key, None, slow)
        assert computing.wait(10)
        before, waiting = waits(), pool.submit(ours.remember, key, None, lambda: "computed twice")
        until = time.monotonic() + 10
        while waits() < before + 4 and not waiting.done():
            assert time.monotonic() < until
        enough.set()
        assert first.result(10) == "the one value"
        return waiting.result(10)


def test_async_callers_of_a_slow_redis_get_correct_results(cache, through):
    through(DELAY_SECONDS, GENEROUS_LIMIT_SECONDS)

    async def scenario():
        async with AsyncCache(cache) as async_cache, asyncio.timeout(30):

            async def compute(value):
                return value

            def read(value):
                return async_cache.remember(PLAIN.key(id=1), None, lambda: compute(value), tags=["a"])

            together = await asyncio.gather(*(read("first") for _ in range(20)))
            return [*together, await read("second"), await async_cache.get(PLAIN.key(id=1))]

    assert asyncio.run(scenario()) == ["first"] * 22
    assert (incidents(PLAIN), breaker_state()) == (0, "closed")


# Slower than the time limit, or hung: one time limit per window of the breaker


HANG_SECONDS = 3_600.0  # as a delay: connections are accepted, and no command gets its reply


def read_for(cache, key, seconds):
    """Read for a while. Return [(start, duration)] of the reads; each must return the correct value."""
    spent, ends = [], time.monotonic() + seconds
    while (began := time.monotonic()) < ends:
        assert cache.remember(key, None, lambda: "right") == "right"
        spent.append((began, time.monotonic() - began))
    return spent


@pytest.mark.parametrize(
    ("delay_seconds", "limit_seconds"),
    [(HANG_SECONDS, 0.25), (DELAY_SECONDS, 0.05)],
    ids=["hung", "slower than the limit"],
)
def test_each_window_costs_one_time_limit_and_all_other_reads_cost_nothing(
    cache, through, settings, delay_seconds, limit_seconds
):
    """A connection that timed out is closed, so each probe opens a new one, which the proxy records."""
    key = PLAIN.key(id=1)
    proxy = through(time_limit_seconds=limit_seconds)
    assert (cache.set(key, "right"), cache.get(key)) == (True, "right")
    before = len(proxy.connected_at)
    proxy.delay_seconds = delay_seconds
    spent = read_for(cache, key, 1.5)
    probed_at = proxy.connected_at[before:]
    probes = [took for began, took in spent if any(began <= at <= began + took for at in probed_at)]
    others = [took for began, took in spent[1:] if not any(began <= at <= began + took for at in probed_at)]
    assert len(probed_at) >= 2
    # At most one probe per window: between probes the breaker is open.
    assert all(later - at >= settings.REDIS_BREAKER_SECONDS for at, later in pairwise(probed_at))
    assert min(spent[0][1], *probes) >= limit_seconds
    assert statistics.median([spent[0][1], *probes]) < limit_seconds + SCHEDULING_SECONDS
    assert statistics.median(others) <= NO_SOCKET_SECONDS
    assert len(others) >= 20 * len(probes)  # at most one read in twenty is a probe

    proxy.delay_seconds = 0.0
    recovered_by = time.monotonic() + 5
    while not cache.exists(key):
        assert time.monotonic() < recovered_by
    assert breaker_state() == "closed"


def test_twenty_reads_while_both_roles_hang_cost_one_time_limit_each(cache, valkey, settings):
    """One server serves both roles; the TTLs set by operators are read from the state role."""
    connections_in_use = [cache.set(PLAIN.key(id=1), "stored"), cache.get(PLAIN.key(id=1))]
    assert connections_in_use == [True, "stored"]
    valkey.pause()
    started = time.monotonic()
    for _ in range(20):
        assert cache.remember(PLAIN.key(id=1), None, lambda: "computed") == "computed"
    assert time.monotonic() - started < 2 * settings.REDIS_TIMEOUT_SECONDS + SCHEDULING_SECONDS


def test_one_of_twenty_threads_probes_per_window(cache, through, settings):
    key = PLAIN.key(id=1)
    proxy = through()
    cache.set(key, "stored")
    proxy.delay_seconds, began = HANG_SECONDS, time.monotonic()
    assert cache.get(key, "default") == "default"  # the first time limit opens the breaker
    before, start = len(proxy.connected_at), threading.Barrier(20)

    def hammer():
        start.wait(10)
        values, ends = set(), time.monotonic() + 20
        while len(proxy.connected_at) < before + 4 and time.monotonic() < ends:
            values.add(cache.get(key, "default"))
        return values

    with ThreadPoolExecutor(20) as pool:
        values = set().union(*(thread.result(30) for thread in [pool.submit(hammer) for _ in range(20)]))
    probes, seconds = len(proxy.connected_at) - before, time.monotonic() - began
    assert values == {"default"}
    assert probes >= 4
    window = settings.REDIS_TIMEOUT_SECONDS + settings.REDIS_BREAKER_SECONDS
    assert seconds >= (probes - 1) * window  # at most one probe per window; the first may be recorded late


def test_a_successful_probe_admits_all_threads(cache, through):
    key = PLAIN.key(id=1)
    proxy = through()
    cache.set(key, "stored")
    proxy.delay_seconds = HANG_SECONDS
    assert cache.get(key, "default") == "default"
    proxy.delay_seconds = 0.0

    def read_until_found():
        deadline = time.monotonic() + 10
        while (found := cache.get(key, "default")) == "default" and time.monotonic() < deadline:
            pass
        return found

    with ThreadPoolExecutor(20) as pool:
        assert {one.result(30) for one in [pool.submit(read_until_found) for _ in range(20)]} == {"stored"}
    assert breaker_state() == "closed"


def test_async_callers_share_the_breaker_and_the_time_limit(cache, through, settings):
    """Twenty concurrent reads while Redis hangs: each is computed, and together they take one time limit."""
    proxy = through()
    proxy.delay_seconds = HANG_SECONDS

    async def scenario():
        async def right():
            return "right"

        async with AsyncCache(cache) as async_cache, asyncio.timeout(30):
            started = time.monotonic()
            keys = [PLAIN.key(id=number) for number in range(20)]
            values = await asyncio.gather(*(async_cache.remember(key, None, right) for key in keys))
            return values, time.monotonic() - started

    values, spent = asyncio.run(scenario())
    assert values == ["right"] * 20
    assert settings.REDIS_TIMEOUT_SECONDS <= spent < settings.REDIS_TIMEOUT_SECONDS + SCHEDULING_SECONDS
    assert len(proxy.connected_at) <= 2  # one reader tried the socket; two, if a window ended in between
    with pytest.raises(RedisUnavailable):
        cache.invalidate_tag("a")


def test_making_a_connection_in_an_event_loop_costs_one_time_limit_too(valkey, settings):
    """Over a Unix socket redis-py reports a time-out as a lost connection, which it would retry."""
    valkey.pause()

    async def seconds():
        connections.breaker("cache").record_success()
        client = connections.async_client("cache")
        started = time.monotonic()
        with pytest.raises(RedisUnavailable):
            async with connections.guarded("cache", client) as using:
                await using.get("a")
        await client.aclose()
        return time.monotonic() - started

    assert min(asyncio.run(seconds()) for _ in range(3)) < 2 * settings.REDIS_TIMEOUT_SECONDS


# Stale values


def test_a_hung_redis_and_a_failing_database_leave_the_local_copy(valkey):
    """The copy needs revalidation and is within its TTL."""
    cache = Cache(local_seconds=1e-9)
    cache.remember(LOCAL.key(id=1), None, lambda: "old", tags=["a"])
    valkey.pause()

    def failing():
        raise RuntimeError("the database is down too")

    values = [cache.remember(LOCAL.key(id=1), None, failing, tags=["a"]) for _ in range(20)]
    assert values == ["old"] * 20
    with pytest.raises(RuntimeError, match="the database is down too"):
        cache.remember(LOCAL.key(id=2), None, failing, tags=["a"])  # it has no local copy


def test_a_cut_connection_is_replaced_within_the_same_read(cache, through):
    """A connection dropped by a restarted proxy or by a server's idle limit is no outage."""
    proxy = through()
    cache.set(PLAIN.key(id=1), "stored")
    proxy.cut()
    proxy.restore()
    assert cache.get(PLAIN.key(id=1)) == "stored"
    assert len(proxy.connected_at) >= 2
    assert (incidents(PLAIN), breaker_state()) == (0, "closed")
