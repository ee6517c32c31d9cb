"""AsyncCache: the same values and leases as the blocking calls, shared with the threads of the process."""

import asyncio

import pytest
from django.core.exceptions import SynchronousOnlyOperation

from cachecore.async_cache import AsyncCache
from cachecore.redis_client import connections
from cachecore.service import Cache
from cachecore.storage import leases
from tests.cachecore.test_envelope import family
from tests.cachecore.test_service import age

PLAIN = family("async-plain")
LOCAL = family("async-local", local=True)
SOFT = family("async-soft", soft_ttl_seconds=1, beta=0, background=True)
LIMITED = family("async-limited", factory_hard_timeout_seconds=0.05)
KEY = PLAIN.key(id=1)


def run(cache, scenario):
    async def go():
        async with AsyncCache(cache) as async_cache, asyncio.timeout(30):
            return await scenario(async_cache)

    return asyncio.run(go())


def returning(value):
    async def factory():
        return value

    return factory


@pytest.mark.parametrize("kind", [PLAIN, LOCAL], ids=["remote", "local"])
def test_tasks_and_threads_read_each_others_values(cache, kind):
    async def scenario(async_cache):
        assert await async_cache.get(kind.key(id=1), "default") == "default"
        assert await async_cache.remember(kind.key(id=1), None, returning([1]), tags=["a"]) == [1]
        assert await async_cache.remember(kind.key(id=1), None, returning([2]), tags=["a"]) == [1]
        return await async_cache.get(kind.key(id=1))

    assert run(cache, scenario) == [1]
    assert cache.remember(kind.key(id=1), None, lambda: [3], tags=["a"]) == [1]
    cache.invalidate_tag("a")

    async def again(async_cache):
        return await async_cache.get(kind.key(id=1))

    assert run(cache, again) is None


def test_a_thousand_tasks_cause_one_computation(cache):
    calls = []

    async def scenario(async_cache):
        async def factory():
            calls.append(1)
            await gate.wait()
            return "value"

        gate = asyncio.Event()
        tasks = [asyncio.create_task(async_cache.remember(KEY, None, factory)) for _ in range(1_000)]
        while not calls:
            await asyncio.sleep(0)
        gate.set()
        return set(await asyncio.gather(*tasks))

    assert run(cache, scenario) == {"value"}
    assert calls == [1]


def test_tasks_and_threads_of_a_process_share_a_computation(cache):
    async def scenario(async_cache):
        async def factory():
            threads.append(loop.run_in_executor(None, cache.remember, KEY, None, lambda: "from the thread"))
            while not cache._flights._by_key[KEY].future._condition._waiters:
                await asyncio.sleep(0)
            return "from the task"

        loop, threads = asyncio.get_running_loop(), []
        return await async_cache.remember(KEY, None, factory), await threads[0]

    assert run(cache, scenario) == ("from the task", "from the task")


def test_a_value_read_before_a_change_is_not_stored_after_it(cache):
    async def scenario(async_cache):
        async def factory():
            await asyncio.to_thread(Cache().invalidate_tag, "a")
            return "old"

        await async_cache.remember(KEY, None, factory, tags=["a"])
        return await async_cache.get(KEY, "nothing")

    assert run(cache, scenario) == "nothing"


def test_a_cancelled_caller_releases_its_lease_and_another_computes(cache):
    async def scenario(async_cache):
        started = asyncio.Event()

        async def forever():
            started.set()
            await asyncio.Event().wait()

        leading = asyncio.create_task(async_cache.remember(KEY, None, forever))
        await started.wait()
        waiting = asyncio.create_task(async_cache.remember(KEY, None, returning("value")))
        leading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leading
        return await waiting

    assert run(cache, scenario) == "value"
    with connections.guarded_client("cache") as client:
        assert not client.exists(leases.LEASE.key(key=KEY))


def test_a_task_waits_for_another_processs_lease_and_returns_its_value(cache):
    other = Cache()

    async def scenario(async_cache):
        def factory():
            loop.call_soon_threadsafe(started.set)
            with connections.guarded_client("cache") as client:
                while client.info("clients")["blocked_clients"] == 0 and not waiting.done():
                    pass
            return "from the other process"

        async def wait():
            await started.wait()
            return await async_cache.remember(KEY, None, returning("from this process"))

        loop, started = asyncio.get_running_loop(), asyncio.Event()
        waiting = asyncio.create_task(wait())
        await asyncio.to_thread(other.remember, KEY, None, factory)
        return await waiting

    assert run(cache, scenario) == "from the other process"


def test_a_stale_value_is_served_while_a_task_refreshes_it(cache):
    key = SOFT.key(id=1)
    cache.set(key, "old")
    age(key, 2_000)

    async def scenario(async_cache):
        served = await async_cache.remember(key, None, returning("new"))
        await asyncio.gather(*async_cache._spawned)
        return served, await async_cache.get(key)

    assert run(cache, scenario) == ("old", "new")


def test_a_slow_factory_raises_after_the_hard_timeout(cache):
    from cachecore.read_through.single_flight import FactoryTimeout

    async def scenario(async_cache):
        async def forever():
            await asyncio.Event().wait()

        with pytest.raises(FactoryTimeout):
            await async_cache.remember(LIMITED.key(id=1), None, forever)

    run(cache, scenario)


def test_reads_are_computed_while_redis_is_unavailable(cache, valkey):
    valkey.stop()

    async def scenario(async_cache):
        assert await async_cache.get(KEY, "default") == "default"
        return [await async_cache.remember(KEY, None, returning(n)) for n in range(3)]

    assert run(cache, scenario) == [0, 1, 2]


def test_scripts_are_sent_again_after_a_flush(cache):
    with connections.guarded_client("cache") as client:
        client.script_flush()

    async def scenario(async_cache):
        return await async_cache.remember(KEY, None, returning("value"), tags=["a"])

    assert run(cache, scenario) == "value"
    assert cache.get(KEY) == "value"


def test_using_it_outside_of_its_block_raises():
    async def outside():
        with pytest.raises(RuntimeError, match="AsyncCache must be used within its `async with` block"):
            await AsyncCache(Cache()).get(KEY)

    asyncio.run(outside())


@pytest.mark.parametrize("name", ["remember", "get", "get_many"])
def test_a_blocking_call_in_an_event_loop_raises_and_leaves_no_flight_behind(cache, name):
    """It could wait for a task of the same loop."""

    async def scenario(async_cache):
        calls = {
            "remember": lambda: cache.remember(KEY, None, lambda: "sync"),
            "get": lambda: cache.get(KEY),
            "get_many": lambda: cache.get_many([KEY]),
        }

        async def factory():
            with pytest.raises(SynchronousOnlyOperation, match="use AsyncCache, or sync_to_async"):
                calls[name]()
            return "async"

        return await async_cache.remember(KEY, None, factory)

    assert run(cache, scenario) == "async"
    assert cache.remember(KEY, None, lambda: "sync") == "async"
    assert not cache._flights._readers
    assert not cache._flights._by_key


def test_a_caller_that_is_destroyed_with_its_loop_finishes_its_flight(cache):
    async def scenario(async_cache):
        async def factory():
            started.set()
            await asyncio.Event().wait()

        started = asyncio.Event()
        task = asyncio.create_task(async_cache.remember(KEY, None, factory))
        await started.wait()
        task.get_coro().close()  # raises RuntimeError if it awaits instead of ending
        assert not cache._flights._by_key
        task.cancel()
        await asyncio.wait([task])

    run(cache, scenario)
