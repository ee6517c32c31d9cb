"""Wake thousands of clients without delaying other requests."""

import asyncio
from collections.abc import Callable, Iterable

from analytics.stream.client import Client

# Writing to this many clients takes half a millisecond of the event loop, and three times that of the server's own
# thread, which puts the bytes on the wire. The pause gives that thread its time and the loop to other requests. Without
# it, writes would pile up before that thread, with the responses to other requests behind them. The maximal pause keeps
# a slow machine from stopping altogether.
CLIENTS_PER_SLICE = 100
PAUSE_FACTOR = 3.0  # times the duration of the slice
MIN_PAUSE_SECONDS, MAX_PAUSE_SECONDS = 0.001, 0.003


async def wake(clients: Iterable[Client], clock: Callable[[], float]) -> None:
    """Wake clients slice by slice, with a pause after each slice."""
    started = clock()
    for number, client in enumerate(clients, 1):
        client.wake()
        if number % CLIENTS_PER_SLICE == 0:
            pause = PAUSE_FACTOR * (clock() - started)
            await asyncio.sleep(min(max(MIN_PAUSE_SECONDS, pause), MAX_PAUSE_SECONDS))
            started = clock()
