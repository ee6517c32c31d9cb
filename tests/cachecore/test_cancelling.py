"""Tasks end even if they swallow a cancellation, as redis-py's reads sometimes do."""

import asyncio
from contextlib import suppress

import pytest

from cachecore import cancelling
from cachecore.responses.asgi_middleware import ResponseCacheASGIMiddleware
from cachecore.responses.version_watcher import VersionWatcher
from games.keys import GAMES


async def reading(swallowed: int, entered: asyncio.Event) -> None:
    """Wait until cancelled once more than `swallowed` times."""
    entered.set()
    for _ in range(swallowed):
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
    await asyncio.Event().wait()


@pytest.mark.parametrize("swallowed", [0, 1, 3])
def test_a_task_ends_however_many_cancellations_it_swallows(swallowed):
    async def scenario():
        entered = asyncio.Event()
        task = asyncio.create_task(reading(swallowed, entered))
        await entered.wait()
        async with asyncio.timeout(10):
            await cancelling.cancel_and_wait([task], retry_seconds=0.001)
        return task.cancelled()

    assert asyncio.run(scenario())


def test_what_a_task_raised_is_dropped():
    async def failing():
        raise RuntimeError

    async def scenario():
        task = asyncio.create_task(failing())
        await asyncio.wait([task])
        await cancelling.cancel_and_wait([task])

    asyncio.run(scenario())


def test_ending_no_tasks_returns_at_once():
    asyncio.run(cancelling.cancel_and_wait([]))


class Swallowing(VersionWatcher):
    """A watcher whose first read swallows the cancellation."""

    def __init__(self) -> None:
        super().__init__([GAMES])
        self.entered = asyncio.Event()
        self._swallowed = False

    async def _refresh(self, client):
        if not self._swallowed:
            self._swallowed = True
            self.entered.set()
            with suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
        await super()._refresh(client)


def test_the_middleware_stops_even_if_its_watcher_swallows_the_cancellation():
    async def scenario():
        watcher = Swallowing()
        middleware = ResponseCacheASGIMiddleware(lambda scope, receive, send: None, watcher)
        await middleware.start()
        await watcher.entered.wait()
        async with asyncio.timeout(10):
            await middleware.stop()
        return [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]

    assert asyncio.run(scenario()) == []
