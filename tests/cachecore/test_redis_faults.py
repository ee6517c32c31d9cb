"""Redis slow, or hung for several windows of the breaker: what it costs, and that answers stay right.

What `test_service_faults.py` shows of a Redis that refuses, hangs, forgets and evicts is not repeated here.
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
from tests.faults import Detour

PLAIN = family("slow-plain")
NEAR = family("slow-near", local=True)
DELAY_SECONDS = 0.1
PATIENT_SECONDS = 1.0  # a time limit well above it: the default, 0.25 s, leaves a busy machine too little
NOTHING_SECONDS = 0.005  # what a read may cost that touches no socket
SCHEDULING_SECONDS = 1.0  # what a busy machine may add to a time limit


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
    """Lead the cache role over a detour, from now on."""
    detours = []

    def lead(delay_seconds=0.0, time_limit_seconds=None):
        detours.append(Detour(delay_seconds))
        role = {**settings.CACHES["default"], "LOCATION": detours[-1].url}
        if time_limit_seconds is not None:
            settings.REDIS_TIMEOUT_SECONDS = time_limit_seconds
            role["OPTIONS"] = {**role["OPTIONS"], "SOCKET_TIMEOUT": time_limit_seconds}
        settings.CACHES = {**settings.CACHES, "default": role}
        return detours[-1]

    yield lead
    for detour in detours:
        detour.close()


def incidents(kind):
    """What the cache has counted that a Redis in order never causes."""
    return stats.snapshot().family(kind.name).events("error", "bypass", "lease_lost")


def breaker_state():
    return connections.breaker("cache").state


# Slow, and within the time limit: right, and nothing else than slow


def test_a_slow_redis_answers_rightly_and_opens_no_breaker(cache, through):
    through(DELAY_SECONDS, PATIENT_SECONDS)
    one, two, counter = (PLAIN.key(id=name) for name in ("one", "two", "counter"))
    answers = [cache.remember(one, None, lambda n=n: n, tags=["a"]) for n in range(3)]
    assert answers == [0, 0, 0]
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
    through(DELAY_SECONDS, PATIENT_SECONDS)
    cache.remember(key, None, lambda: "stored", tags=["a", "b"])
    spent = []
    for _ in range(5):
        started = time.monotonic()
        assert cache.remember(key, None, lambda: "computed", tags=["a", "b"]) == "stored"
        spent.append(time.monotonic() - started)
    assert DELAY_SECONDS <= min(spent) < 2 * DELAY_SECONDS


def test_a_slow_redis_slows_no_hit_in_memory(cache, through):
    near = Cache(local_seconds=60)
    through(DELAY_SECONDS, PATIENT_SECONDS)
    near.remember(NEAR.key(id=1), None, lambda: "near")
    spent = []
    for _ in range(20):
        started = time.monotonic()
        assert near.remember(NEAR.key(id=1), None, lambda: "computed") == "near"
        spent.append(time.monotonic() - started)
    assert statistics.median(spent) <= NOTHING_SECONDS


def test_waiting_for_another_process_through_a_slow_redis_is_no_failure(through):
    """The wait itself takes time, an idle server ends it up to a tenth of a second late, and its reply is slow.

    One of three waits must show it: a busy machine may add what exceeds any limit.
    """
    through(0.07)
    outcomes = []
    while len(outcomes) < 3 and ("the one value", 0) not in outcomes:
        stats.reset()
        outcomes.append((waited_for_another(PLAIN.key(id=len(outcomes))), incidents(PLAIN)))
    assert ("the one value", 0) in outcomes
    assert breaker_state() == "closed"


def waited_for_another(key):
    """What a caller is answered who had to wait four times."""
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


def test_async_callers_of_a_slow_redis_are_answered_rightly(cache, through):
    through(DELAY_SECONDS, PATIENT_SECONDS)

    async def scenario():
        async with AsyncCache(cache) as async_cache, asyncio.timeout(30):

            async def compute(value):
                return value

            def ask(value):
                return async_cache.remember(PLAIN.key(id=1), None, lambda: compute(value), tags=["a"])

            together = await asyncio.gather(*(ask("first") for _ in range(20)))
            return [*together, await ask("second"), await async_cache.get(PLAIN.key(id=1))]

    assert asyncio.run(scenario()) == ["first"] * 22
    assert (incidents(PLAIN), breaker_state()) == (0, "closed")


# Slower than the time limit, or hung: one time limit a window


HUNG = 3_600.0  # seconds of delay: connections are accepted, nothing is answered


def read_for(cache, key, seconds):
    """[(when it began, how long it took)], one after the other; every answer must be right."""
    spent, ends = [], time.monotonic() + seconds
    while (began := time.monotonic()) < ends:
        assert cache.remember(key, None, lambda: "right") == "right"
        spent.append((began, time.monotonic() - began))
    return spent


@pytest.mark.parametrize(
    ("delay_seconds", "limit_seconds"), [(HUNG, 0.25), (DELAY_SECONDS, 0.05)], ids=["hung", "slower than the limit"]
)
def test_each_window_costs_one_time_limit_and_all_other_reads_nothing(
    cache, through, settings, delay_seconds, limit_seconds
):
    """A connection that timed out is given up: each probe is a new one, which the detour sees."""
    key = PLAIN.key(id=1)
    detour = through(time_limit_seconds=limit_seconds)
    assert (cache.set(key, "right"), cache.get(key)) == (True, "right")
    before = len(detour.connected_at)
    detour.delay_seconds = delay_seconds
    spent = read_for(cache, key, 1.5)
    probed_at = detour.connected_at[before:]
    probes = [took for began, took in spent if any(began <= at <= began + took for at in probed_at)]
    others = [took for began, took in spent[1:] if not any(began <= at <= began + took for at in probed_at)]
    assert len(probed_at) >= 2
    # No window had two: between probes the breaker is open.
    assert all(later - at >= settings.REDIS_BREAKER_SECONDS for at, later in pairwise(probed_at))
    assert min(spent[0][1], *probes) >= limit_seconds
    assert statistics.median([spent[0][1], *probes]) < limit_seconds + SCHEDULING_SECONDS
    assert statistics.median(others) <= NOTHING_SECONDS
    assert len(others) >= 20 * len(probes)  # of twenty reads one pays, at most

    detour.delay_seconds = 0.0
    recovered_by = time.monotonic() + 5
    while not cache.exists(key):
        assert time.monotonic() < recovered_by
    assert breaker_state() == "closed"


def test_twenty_reads_while_both_roles_hang_cost_one_time_limit_each(cache, valkey, settings):
    """One server serves both; what an operator has said of a family's TTL stands in the other role."""
    connections_in_use = [cache.set(PLAIN.key(id=1), "stored"), cache.get(PLAIN.key(id=1))]
    assert connections_in_use == [True, "stored"]
    valkey.pause()
    started = time.monotonic()
    for _ in range(20):
        assert cache.remember(PLAIN.key(id=1), None, lambda: "computed") == "computed"
    assert time.monotonic() - started < 2 * settings.REDIS_TIMEOUT_SECONDS + SCHEDULING_SECONDS


def test_of_twenty_threads_one_probes_a_window(cache, through, settings):
    key = PLAIN.key(id=1)
    detour = through()
    cache.set(key, "stored")
    detour.delay_seconds, began = HUNG, time.monotonic()
    assert cache.get(key, "default") == "default"  # the first time limit opens the breaker
    before, start = len(detour.connected_at), threading.Barrier(20)

    def hammer():
        start.wait(10)
        answers, ends = set(), time.monotonic() + 20
        while len(detour.connected_at) < before + 4 and time.monotonic() < ends:
            answers.add(cache.get(key, "default"))
        return answers

    with ThreadPoolExecutor(20) as pool:
        answers = set().union(*(thread.result(30) for thread in [pool.submit(hammer) for _ in range(20)]))
    probes, seconds = len(detour.connected_at) - before, time.monotonic() - began
    assert answers == {"default"}
    assert probes >= 4
    window = settings.REDIS_TIMEOUT_SECONDS + settings.REDIS_BREAKER_SECONDS
    assert seconds >= (probes - 1) * window  # no window had two; the first connection may be noted late


def test_the_probe_that_succeeds_lets_all_threads_in(cache, through):
    key = PLAIN.key(id=1)
    detour = through()
    cache.set(key, "stored")
    detour.delay_seconds = HUNG
    assert cache.get(key, "default") == "default"
    detour.delay_seconds = 0.0

    def read_until_it_is_there():
        deadline = time.monotonic() + 10
        while (found := cache.get(key, "default")) == "default" and time.monotonic() < deadline:
            pass
        return found

    with ThreadPoolExecutor(20) as pool:
        assert {one.result(30) for one in [pool.submit(read_until_it_is_there) for _ in range(20)]} == {"stored"}
    assert breaker_state() == "closed"


def test_async_callers_share_the_breaker_and_the_time_limit(cache, through, settings):
    """Twenty at once while Redis hangs: each computes rightly, together they cost one time limit."""
    detour = through()
    detour.delay_seconds = HUNG

    async def scenario():
        async def right():
            return "right"

        async with AsyncCache(cache) as async_cache, asyncio.timeout(30):
            started = time.monotonic()
            keys = [PLAIN.key(id=number) for number in range(20)]
            answers = await asyncio.gather(*(async_cache.remember(key, None, right) for key in keys))
            return answers, time.monotonic() - started

    answers, spent = asyncio.run(scenario())
    assert answers == ["right"] * 20
    assert settings.REDIS_TIMEOUT_SECONDS <= spent < settings.REDIS_TIMEOUT_SECONDS + SCHEDULING_SECONDS
    assert len(detour.connected_at) <= 2  # of the twenty one came near the socket; two, if a window has ended meanwhile
    with pytest.raises(RedisUnavailable):
        cache.invalidate_tag("a")


def test_making_a_connection_in_an_event_loop_costs_one_time_limit_too(valkey, settings):
    """Over a Unix socket redis-py tells of a time-out as of a lost connection, which is tried again."""
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


def test_a_hung_redis_and_a_failing_database_leave_what_memory_holds(valkey):
    """It is past the time that memory may be trusted for, and within its TTL."""
    near = Cache(local_seconds=1e-9)
    near.remember(NEAR.key(id=1), None, lambda: "old", tags=["a"])
    valkey.pause()

    def failing():
        raise RuntimeError("the database is away too")

    answers = [near.remember(NEAR.key(id=1), None, failing, tags=["a"]) for _ in range(20)]
    assert answers == ["old"] * 20
    with pytest.raises(RuntimeError, match="the database is away too"):
        near.remember(NEAR.key(id=2), None, failing, tags=["a"])  # nothing is known of it


def test_a_cut_connection_is_made_anew_within_the_same_read(cache, through):
    """What a restarted proxy or a server's idle limit leaves is no outage."""
    detour = through()
    cache.set(PLAIN.key(id=1), "stored")
    detour.cut()
    detour.mend()
    assert cache.get(PLAIN.key(id=1)) == "stored"
    assert len(detour.connected_at) >= 2
    assert (incidents(PLAIN), breaker_state()) == (0, "closed")
