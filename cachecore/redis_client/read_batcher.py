"""Batch concurrent reads of an event loop into one MGET.

A round trip costs the event loop more Python than the read itself. So while one MGET is in flight, further keys are
collected for the next one, and a key that several tasks read is requested once. A single reader is not delayed.
"""

import asyncio
from itertools import islice

import redis.asyncio

from cachecore.keys import Role
from cachecore.redis_client import connections
from cachecore.redis_client.connections import RedisUnavailable

MAX_KEYS = 64  # of one MGET, so that a reply's size is bounded by this many stored values

PendingReads = dict[str, list[asyncio.Future[bytes | None]]]


class ReadBatcher:
    """GET over one client of one event loop."""

    def __init__(self, role: Role, client: redis.asyncio.Redis) -> None:
        self._role = role
        self._client = client
        self._pending: PendingReads = {}
        self._reader: asyncio.Task[None] | None = None

    async def get(self, key: str) -> bytes | None:
        """Return the key's value as of some moment after the call. Raises RedisUnavailable."""
        future: asyncio.Future[bytes | None] = asyncio.get_running_loop().create_future()
        self._pending.setdefault(key, []).append(future)
        if self._reader is None:
            self._reader = asyncio.create_task(self._read_all())
        return await future

    async def aclose(self) -> None:
        """Close the client too. Reads that are still pending raise RedisUnavailable."""
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.gather(self._reader, return_exceptions=True)
        _fail(self._pending, RedisUnavailable(self._role, "closed"))
        await self._client.aclose()

    async def _read_all(self) -> None:
        try:
            while self._pending:
                await self._read(self._take_batch())
        finally:
            self._reader = None

    def _take_batch(self) -> PendingReads:
        return {key: self._pending.pop(key) for key in tuple(islice(self._pending, MAX_KEYS))}

    async def _read(self, batch: PendingReads) -> None:
        try:
            async with connections.guarded(self._role, self._client) as client:
                values = await client.mget(batch)
        except asyncio.CancelledError:
            _fail(batch, RedisUnavailable(self._role, "closed"))
            raise
        except Exception as error:  # noqa: BLE001  each reader of the batch raises it; later batches are not affected
            _fail(batch, error)
            return
        for futures, value in zip(batch.values(), values, strict=True):
            for future in futures:
                if not future.done():  # the reader's request was cancelled
                    future.set_result(value)


def _fail(reads: PendingReads, error: Exception) -> None:
    for future in (future for futures in reads.values() for future in futures):
        if not future.done():
            future.set_exception(error)
