import asyncio

import pytest
import redis

from cachecore.redis_client import connections
from cachecore.redis_client.read_batcher import MAX_KEYS, ReadBatcher


def run(scenario):
    """Run `scenario(reads)` in an event loop of its own."""

    async def main():
        reads = ReadBatcher("cache", connections.async_client("cache"))
        try:
            return await scenario(reads)
        finally:
            await reads.aclose()

    return asyncio.run(main())


def store(**values):
    with connections.guarded_client("cache") as client:
        client.mset(values)
        client.config_resetstat()


def calls(command):
    with connections.guarded_client("cache") as client:
        return client.info("commandstats").get(f"cmdstat_{command}", {"calls": 0})["calls"]


def test_concurrent_readers_share_a_round_trip():
    store(a="1", b="2")

    async def scenario(reads):
        return await asyncio.gather(*(reads.get(key) for key in ("a", "b", "a", "absent")))

    assert run(scenario) == [b"1", b"2", b"1", None]
    assert (calls("mget"), calls("get")) == (1, 0)


def test_a_round_trip_reads_a_bounded_number_of_keys():
    store(**{f"key{number}": str(number) for number in range(MAX_KEYS + 1)})

    async def scenario(reads):
        return await asyncio.gather(*(reads.get(f"key{number}") for number in range(MAX_KEYS + 1)))

    assert run(scenario) == [str(number).encode() for number in range(MAX_KEYS + 1)]
    assert calls("mget") == 2


def test_a_cancelled_reader_does_not_affect_the_others():
    store(a="1")

    async def scenario(reads):
        leaving, staying = asyncio.create_task(reads.get("a")), asyncio.create_task(reads.get("a"))
        await asyncio.sleep(0)
        leaving.cancel()
        return await asyncio.gather(leaving, staying, return_exceptions=True)

    left, stayed = run(scenario)
    assert isinstance(left, asyncio.CancelledError)
    assert stayed == b"1"


def test_every_reader_raises_that_redis_is_unavailable(valkey):
    valkey.stop()

    async def scenario(reads):
        return await asyncio.gather(*(reads.get(key) for key in ("a", "a", "b")), return_exceptions=True)

    assert [type(error) for error in run(scenario)] == [connections.RedisUnavailable] * 3


def test_a_programming_error_is_raised_and_the_next_read_is_served():
    store(a="1")

    async def scenario(reads):
        with pytest.raises(redis.DataError):
            await reads.get(("not", "a key"))
        return await reads.get("a")

    assert run(scenario) == b"1"


def test_closing_ends_pending_reads():
    async def scenario(reads):
        waiting = asyncio.create_task(reads.get("a"))
        await asyncio.sleep(0)
        await reads.aclose()
        with pytest.raises(connections.RedisUnavailable, match="Redis role 'cache': closed"):
            await waiting

    run(scenario)
