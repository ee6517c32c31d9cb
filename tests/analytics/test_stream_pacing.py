"""A change is written to many clients in slices, and between two slices the event loop does its other work."""

import asyncio
from contextlib import AsyncExitStack

from analytics.stream.pacing import CLIENTS_PER_SLICE
from tests.analytics.changes import change
from tests.analytics.stream_client import SECONDS, run


def test_the_event_loop_gets_a_turn_after_every_slice():
    async def scenario(process):
        async with AsyncExitStack() as opened:
            addresses = [(f"203.0.113.{number % 250}", "1") for number in range(2 * CLIENTS_PER_SLICE + 50)]
            streams = [await opened.enter_async_context(process.connect(client=one)) for one in addresses]
            for stream in streams:
                await stream.wait_for_events(1)
            before = sum(len(stream.bodies) for stream in streams)
            change({31: (200, 0)})
            return [jump async for jump in _jumps(streams, before)]

    assert run(scenario) == [CLIENTS_PER_SLICE, CLIENTS_PER_SLICE, 50]


async def _jumps(streams, written):
    """Yield how many clients were written to between two turns of this coroutine, unless there were none."""
    last = written + len(streams)
    async with asyncio.timeout(SECONDS):
        while written < last:
            await asyncio.sleep(0)
            now = sum(len(stream.bodies) for stream in streams)
            if now > written:
                yield now - written
                written = now
