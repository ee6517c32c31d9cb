"""A change is written to many clients in slices, and whoever else has something to do comes between."""

import asyncio
from contextlib import AsyncExitStack

from analytics.stream.pacing import CLIENTS_PER_SLICE
from tests.analytics.changes import change
from tests.analytics.listener import SECONDS, run


def test_the_loop_has_a_turn_after_every_slice():
    async def scenario(process):
        async with AsyncExitStack() as opened:
            addresses = [(f"203.0.113.{number % 250}", "1") for number in range(2 * CLIENTS_PER_SLICE + 50)]
            listeners = [await opened.enter_async_context(process.listener(client=one)) for one in addresses]
            for listener in listeners:
                await listener.hears(1)
            before = sum(len(listener.bodies) for listener in listeners)
            change({31: (200, 0)})
            return [jump async for jump in _jumps(listeners, before)]

    assert run(scenario) == [CLIENTS_PER_SLICE, CLIENTS_PER_SLICE, 50]


async def _jumps(listeners, told):
    """How many were written to between two of our turns, wherever it was anyone."""
    last = told + len(listeners)
    async with asyncio.timeout(SECONDS):
        while told < last:
            await asyncio.sleep(0)
            now = sum(len(listener.bodies) for listener in listeners)
            if now > told:
                yield now - told
                told = now
