"""When versions rose, as a subscriber hears of it."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import redis.asyncio

CHANNELS = ("version_updates", "analytics_updates")


@asynccontextmanager
async def rises(redis_url: str) -> AsyncIterator[list[float]]:
    """Moments by the monotonic clock; the list grows while the block runs."""
    heard: list[float] = []

    async def listen() -> None:
        async for _ in pubsub.listen():
            heard.append(time.monotonic())  # noqa: PERF401  whoever reads the list reads it while it grows

    client = redis.asyncio.Redis.from_url(redis_url)
    async with client, client.pubsub(ignore_subscribe_messages=True) as pubsub:
        await pubsub.subscribe(*CHANNELS)
        listening = asyncio.create_task(listen())
        try:
            yield heard
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
