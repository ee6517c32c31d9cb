"""Subscribe to the messages about raised versions."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import redis.asyncio

CHANNELS = ("version_updates", "analytics_updates")


@asynccontextmanager
async def subscribe_to_rises(redis_url: str, on_rise: Callable[[float], None]) -> AsyncIterator[None]:
    """Call `on_rise` with the monotonic time of each message during the block."""

    async def listen() -> None:
        async for _ in pubsub.listen():
            on_rise(time.monotonic())

    client = redis.asyncio.Redis.from_url(redis_url)
    async with client, client.pubsub(ignore_subscribe_messages=True) as pubsub:
        await pubsub.subscribe(*CHANNELS)
        listening = asyncio.create_task(listen())
        try:
            yield
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
