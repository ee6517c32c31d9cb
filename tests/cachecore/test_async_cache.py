"""The async twins: the same answers, the same leases, shared with the threads of the process."""

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
NEAR = family("async-near", local=True)
SOFT = family("async-soft", soft_ttl_seconds=1, beta=0, background=True)
LIMITED = family("async-limited", factory_hard_timeout_seconds=0.05)
KEY = PLAIN.key(id=1)


@pytest.fixture
def cache():
    return Cache()


def run(cache, scenario):
    async def go():
        async with AsyncCache(cache) as async_cache, asyncio.timeout(30):
            return await scenario(async_cache)

    return asyncio.run(go())


def answering(value):
    async def factory():
        return value

    return factory


@pytest.mark.parametrize("kind", [PLAIN, NEAR], ids=["far", "near"])
def test_what_one_of_them_stores_the_other_reads(cache, kind):
    async def scenario(async_cache):
        assert await async_cache.get(kind.key(id=1), "default") == "default"
        assert await async_cache.remember(kind.key(id=1), None, answering([1]), tags=["a"]) == [1]
        assert await async_cache.remember(kind.key(id=1), None, answering([2]), tags=["a"]) == [1]
        return await async_cache.get(kind.key(id=1))

    assert run(cache, scenario) == [1]
    assert cache.remember(kind.key(id=1), None, lambda: [3], tags=["a"]) == [1]
    cache.invalidate_tag("a")

    async def again(async_cache):
        return await async_cache.get(kind.key(id=1))

    assert run(cache, again) is None


def test_a_thousand_tasks_are_one_computation(cache):
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


def test_what_was_read_before_a_change_is_not_stored_after_it(cache):
    async def scenario(async_cache):
        async def overtaken():
            await asyncio.to_thread(Cache().invalidate_tag, "a")
            return "old"

        await async_cache.remember(KEY, None, overtaken, tags=["a"])
        return await async_cache.get(KEY, "nothing")

    assert run(cache, scenario) == "nothing"


def test_a_cancelled_caller_ends_its_lease_and_another_takes_over(cache):
    async def scenario(async_cache):
        begun = asyncio.Event()

        async def for_ever():
            begun.set()
            await asyncio.Event().wait()

        leading = asyncio.create_task(async_cache.remember(KEY, None, for_ever))
        await begun.wait()
        waiting = asyncio.create_task(async_cache.remember(KEY, None, answering("value")))
        leading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leading
        return await waiting

    assert run(cache, scenario) == "value"
    with connections.guarded_client("cache") as client:
        assert not client.exists(leases.LEASE.key(key=KEY))


def test_a_lease_held_elsewhere_is_waited_for_and_its_value_taken(cache):
    other = Cache()

    async def scenario(async_cache):
        def held():
            loop.call_soon_threadsafe(begun.set)
            with connections.guarded_client("cache") as client:
                while client.info("clients")["blocked_clients"] == 0 and not waiting.done():
                    pass
            return "from elsewhere"

        async def wait():
            await begun.wait()
            return await async_cache.remember(KEY, None, answering("here"))

        loop, begun = asyncio.get_running_loop(), asyncio.Event()
        waiting = asyncio.create_task(wait())
        await asyncio.to_thread(other.remember, KEY, None, held)
        return await waiting

    assert run(cache, scenario) == "from elsewhere"


def test_a_stale_value_is_served_while_a_task_refreshes_it(cache):
    key = SOFT.key(id=1)
    cache.set(key, "old")
    age(key, 2_000)

    async def scenario(async_cache):
        served = await async_cache.remember(key, None, answering("new"))
        await asyncio.gather(*async_cache._spawned)
        return served, await async_cache.get(key)

    assert run(cache, scenario) == ("old", "new")


def test_the_hard_limit_holds(cache):
    from cachecore.read_through.single_flight import FactoryTimeout

    async def scenario(async_cache):
        async def for_ever():
            await asyncio.Event().wait()

        with pytest.raises(FactoryTimeout):
            await async_cache.remember(LIMITED.key(id=1), None, for_ever)

    run(cache, scenario)


def test_reads_are_computed_while_redis_is_away(cache, valkey):
    valkey.stop()

    async def scenario(async_cache):
        assert await async_cache.get(KEY, "default") == "default"
        return [await async_cache.remember(KEY, None, answering(n)) for n in range(3)]

    assert run(cache, scenario) == [0, 1, 2]


def test_a_flushed_server_is_sent_its_scripts_again(cache):
    with connections.guarded_client("cache") as client:
        client.script_flush()

    async def scenario(async_cache):
        return await async_cache.remember(KEY, None, answering("value"), tags=["a"])

    assert run(cache, scenario) == "value"
    assert cache.get(KEY) == "value"


def test_it_is_used_in_its_block():
    async def outside():
        with pytest.raises(RuntimeError, match="AsyncCache must be used within its `async with` block"):
            await AsyncCache(Cache()).get(KEY)

    asyncio.run(outside())


@pytest.mark.parametrize("name", ["remember", "get", "get_many"])
def test_a_blocking_call_in_an_event_loop_is_refused_and_leaves_nothing_behind(cache, name):
    """It could wait for a task of this very loop."""

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


def test_a_caller_that_is_destroyed_with_its_loop_lands_its_flight(cache):
    async def scenario(async_cache):
        async def factory():
            begun.set()
            await asyncio.Event().wait()

        begun = asyncio.Event()
        task = asyncio.create_task(async_cache.remember(KEY, None, factory))
        await begun.wait()
        task.get_coro().close()  # RuntimeError where it awaits instead of ending
        assert not cache._flights._by_key
        task.cancel()
        await asyncio.wait([task])

    run(cache, scenario)
