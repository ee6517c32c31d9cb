"""Reads that many requests make at the same moment, in one round trip.

A round trip costs the event loop more Python than the read itself, so while one MGET is under way the keys asked
meanwhile gather for the next; a key that several ask is asked once. A lone reader waits for nobody.
"""

import asyncio
from itertools import islice

import redis.asyncio

from cachecore.keys import Role
from cachecore.redis_client import connections
from cachecore.redis_client.connections import RedisUnavailable

MAX_KEYS = 64  # a reply's size is bounded by this many stored values

Waiting = dict[str, list[asyncio.Future[bytes | None]]]


class ReadBatcher:
    """GET over one client of one event loop."""

    def __init__(self, role: Role, client: redis.asyncio.Redis) -> None:
        self._role = role
        self._client = client
        self._waiting: Waiting = {}
        self._reading: asyncio.Task[None] | None = None

    async def get(self, key: str) -> bytes | None:
        """The value as it is at some moment after the call. Raises RedisUnavailable."""
        found: asyncio.Future[bytes | None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(key, []).append(found)
        if self._reading is None:
            self._reading = asyncio.create_task(self._read_all())
        return await found

    async def aclose(self) -> None:
        """Close the client too. Who still waits is told that the role is unavailable."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        _fail(self._waiting, RedisUnavailable(self._role, "closed"))
        await self._client.aclose()

    async def _read_all(self) -> None:
        try:
            while self._waiting:
                await self._read(self._taken())
        finally:
            self._reading = None

    def _taken(self) -> Waiting:
        return {key: self._waiting.pop(key) for key in tuple(islice(self._waiting, MAX_KEYS))}

    async def _read(self, asked: Waiting) -> None:
        try:
            async with connections.guarded(self._role, self._client) as client:
                values = await client.mget(asked)
        except asyncio.CancelledError:
            _fail(asked, RedisUnavailable(self._role, "closed"))
            raise
        except Exception as error:  # noqa: BLE001  each reader raises it; the next batch is not its business
            _fail(asked, error)
            return
        for found, value in zip(asked.values(), values, strict=True):
            for future in found:
                if not future.done():  # its request was cancelled
                    future.set_result(value)


def _fail(asked: Waiting, error: Exception) -> None:
    for future in (future for found in asked.values() for future in found):
        if not future.done():
            future.set_exception(error)
