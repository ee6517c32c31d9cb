"""When versions rose, as a subscriber hears of it."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import redis.asyncio

CHANNELS = ("version_updates", "analytics_updates")


@asynccontextmanager
async def rises(redis_url: str, heard: Callable[[float], None]) -> AsyncIterator[None]:
    """Tell `heard` of each by the monotonic clock, while the block runs."""

    async def listen() -> None:
        async for _ in pubsub.listen():
            heard(time.monotonic())

    client = redis.asyncio.Redis.from_url(redis_url)
    async with client, client.pubsub(ignore_subscribe_messages=True) as pubsub:
        await pubsub.subscribe(*CHANNELS)
        listening = asyncio.create_task(listen())
        try:
            yield
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
