"""A coroutine that is begun at once does what it would do in a task, and needs one only where it waits."""

import asyncio

import pytest

from analytics.stream.eager_tasks import start_eagerly


def test_what_does_not_wait_is_done_at_once_and_takes_no_task():
    done = []

    async def at_once():
        done.append(1)

    async def main():
        assert start_eagerly(at_once()) is None
        assert done == [1]
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(main())


def test_what_waits_goes_on_in_a_task():
    async def waits(first, second, heard):
        heard.append("begun")
        heard.append(await first)
        await asyncio.sleep(0)  # a bare yield
        heard.append(await second)

    async def main():
        loop = asyncio.get_running_loop()
        first, second, heard = loop.create_future(), loop.create_future(), []
        task = start_eagerly(waits(first, second, heard))
        assert heard == ["begun"]
        first.set_result(1)
        second.set_result(2)
        await task
        assert heard == ["begun", 1, 2]

    asyncio.run(main())


def test_a_bare_yield_first_is_a_turn_of_the_loop():
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


def test_a_failure_of_what_it_waits_for_is_its_own():
    async def main():
        future = asyncio.get_running_loop().create_future()
        heard = []

        async def waits():
            try:
                await future
            except ConnectionResetError:
                heard.append("reset")

        task = start_eagerly(waits())
        future.set_exception(ConnectionResetError())
        await task
        assert heard == ["reset"]

    asyncio.run(main())


@pytest.mark.parametrize("turns", [0, 1])
def test_it_is_cancelled_like_any_task(turns):
    async def main():
        heard = []

        async def waits():
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                heard.append("cleaned up")

        task = start_eagerly(waits())
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return heard

    assert asyncio.run(main()) == ["cleaned up"]


def test_what_fails_at_once_fails_in_the_callers_hands():
    async def fails():
        raise ValueError("at once")

    async def main():
        with pytest.raises(ValueError, match=r"^at once$"):
            start_eagerly(fails())

    asyncio.run(main())
