"""Waking thousands of clients while other requests are answered as if nothing were."""

import asyncio
from collections.abc import Callable, Iterable

from analytics.stream.client import Client

# To write to so many clients takes half a millisecond of the loop's time, and thrice that of the server's own thread,
# which puts on the wire what it was given. It gets them, and the loop is free for others: to go on at once would only
# let writes pile up before that thread, and the answers to others behind them. The most keeps a slow machine from
# standing still.
CLIENTS_PER_SLICE = 100
PAUSE_FACTOR = 3.0  # times what the slice took
MIN_PAUSE_SECONDS, MAX_PAUSE_SECONDS = 0.001, 0.003


async def wake(clients: Iterable[Client], clock: Callable[[], float]) -> None:
    began = clock()
    for number, client in enumerate(clients, 1):
        client.wake()
        if number % CLIENTS_PER_SLICE == 0:
            await asyncio.sleep(min(max(MIN_PAUSE_SECONDS, PAUSE_FACTOR * (clock() - began)), MAX_PAUSE_SECONDS))
            began = clock()
