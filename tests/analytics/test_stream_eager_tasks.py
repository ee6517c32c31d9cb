"""A coroutine that is started eagerly behaves as in a task, and gets a task only if it has to wait."""

import asyncio

import pytest

from analytics.stream.eager_tasks import start_eagerly


def test_a_coroutine_that_does_not_wait_finishes_without_a_task():
    done = []

    async def at_once():
        done.append(1)

    async def main():
        assert start_eagerly(at_once()) is None
        assert done == [1]
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(main())


def test_a_coroutine_that_waits_continues_in_a_task():
    async def waits(first, second, results):
        results.append("started")
        results.append(await first)
        await asyncio.sleep(0)  # a bare yield
        results.append(await second)

    async def main():
        loop = asyncio.get_running_loop()
        first, second, results = loop.create_future(), loop.create_future(), []
        task = start_eagerly(waits(first, second, results))
        assert results == ["started"]
        first.set_result(1)
        second.set_result(2)
        await task
        assert results == ["started", 1, 2]

    asyncio.run(main())


def test_a_bare_yield_at_the_start_gives_the_loop_a_turn():
    async def main():
        turns = []

        async def yields():
            await asyncio.sleep(0)
            turns.append("after")

        task = start_eagerly(yields())
        assert turns == []
        await task
        assert turns == ["after"]

    asyncio.run(main())


def test_an_exception_of_the_awaited_future_is_raised_in_the_coroutine():
    async def main():
        future = asyncio.get_running_loop().create_future()
        results = []

        async def waits():
            try:
                await future
            except ConnectionResetError:
                results.append("reset")

        task = start_eagerly(waits())
        future.set_exception(ConnectionResetError())
        await task
        assert results == ["reset"]

    asyncio.run(main())


@pytest.mark.parametrize("turns", [0, 1])
def test_a_started_coroutine_is_cancelled_like_any_task(turns):
    async def main():
        results = []

        async def waits():
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                results.append("cleaned up")

        task = start_eagerly(waits())
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return results

    assert asyncio.run(main()) == ["cleaned up"]


def test_an_exception_before_the_first_wait_is_raised_to_the_caller():
    async def fails():
        raise ValueError("at once")

    async def main():
        with pytest.raises(ValueError, match=r"^at once$"):
            start_eagerly(fails())

    asyncio.run(main())
