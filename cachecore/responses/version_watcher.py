"""Follow the namespace versions, and the families switched off or cleared: one read every 500 ms, or on a message.

A response in this process's memory is served only if the version in its key was read less than a second ago. This
bound holds without pub/sub; its messages only make a change visible sooner.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from contextlib import suppress

import redis
import redis.asyncio

from cachecore import cancelling, versions
from cachecore.clock import now_ms
from cachecore.redis_client import connections
from cachecore.responses import switches
from cachecore.storage import clear_times
from cachecore.versions import Namespace

logger = logging.getLogger(__name__)

REFRESH_SECONDS = 0.5
MAX_AGE_SECONDS = 1.0
RESUBSCRIBE_SECONDS = 0.5


class VersionWatcher:
    """The state that one process's response cache depends on, read in one round trip per interval."""

    def __init__(self, spaces: Iterable[Namespace], clock: Callable[[], float] = time.monotonic) -> None:
        self._spaces = tuple(spaces)
        self._clock = clock
        self._versions: dict[str, int | None] = {}
        self._cleared: dict[str, int] = {}
        self._read_at = float("-inf")
        self._changed = asyncio.Event()

    def current_version(self, space: Namespace) -> int | None:
        """Return the namespace's version, or None if it is unknown or was read too long ago."""
        if self._clock() - self._read_at > MAX_AGE_SECONDS:
            return None
        return space.version(self._versions, now_ms())

    def cleared_ms(self, family: str) -> int:
        """Return when the family was last cleared (unix ms); responses stored until then must not be served."""
        return self._cleared.get(family, 0)

    async def run(self) -> None:
        """Read and listen until cancelled."""
        client = connections.async_client("state")
        listener = asyncio.create_task(self._listen())
        try:
            while True:
                await self._refresh(client)
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._changed.wait(), REFRESH_SECONDS)
        finally:
            await cancelling.cancel_and_wait([listener])
            await client.aclose()

    async def _refresh(self, client: redis.asyncio.Redis) -> None:
        self._changed.clear()
        started_at = self._clock()  # before the read: the values are at least as new as this moment
        try:
            await connections.renew("state", client)
            async with client.pipeline(transaction=False) as pipeline:
                for space in self._spaces:
                    pipeline.get(space.key)
                pipeline.smembers(switches.SWITCHED_OFF.key())
                pipeline.hgetall(clear_times.CLEARED.key())
                *values, switched_off, cleared_at = await pipeline.execute()
        except Exception as error:  # noqa: BLE001  the next read may succeed; until then the versions grow too old
            logger.warning("namespace versions could not be read: %r", error)
            return
        self._versions = versions.parse(self._spaces, values)
        switches.set_switched_off(switched_off)
        self._cleared = clear_times.parse(cleared_at)
        self._read_at = started_at

    async def _listen(self) -> None:
        while True:
            with suppress(Exception):  # the interval's reads suffice
                await self._follow_channels()
            await asyncio.sleep(RESUBSCRIBE_SECONDS)

    async def _follow_channels(self) -> None:
        client = connections.async_client("state", block_forever=True)
        try:
            async with client.pubsub(ignore_subscribe_messages=True) as pubsub:
                await pubsub.subscribe(*{space.channel for space in self._spaces})
                self._changed.set()  # messages before the subscription were missed
                async for _ in pubsub.listen():
                    self._changed.set()
        finally:
            await client.aclose()
