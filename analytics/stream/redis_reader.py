"""A process's one reader of the view and its changes in Redis."""

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from redis.commands.core import AsyncScript

from analytics.live.keys import EPOCH, EVENTS, LIVE, VERSION
from analytics.stream.events import Game, Snapshot
from cachecore.redis_client import connections

NEWEST_GAMES = 20
PAGE_ENTRIES = 512
# XREAD returns after this time even without a new entry, so that a change that adds none (a history that started over)
# is noticed then at the latest.
XREAD_BLOCK_SECONDS = 1.0
XREAD_GRACE_SECONDS = 0.5

_SOURCE = (Path(__file__).parent / "lua/read_view.lua").read_text()


class ViewAndEntries(NamedTuple):
    """The view, and the entries that follow a version, read at the same moment."""

    view: Snapshot
    entries: list[tuple[int, bytes]]  # version, JSON


class RedisReader:
    """Reads for one event loop. Its owner must call `aclose`."""

    def __init__(self) -> None:
        self._client = connections.async_client("state")
        self._blocking_client = connections.async_client("state", block_forever=True)
        self._script = AsyncScript(self._client, _SOURCE)

    async def read(self, after: int | None) -> ViewAndEntries | None:
        """Read the view and the entries from version `after` on, itself included. Return None if there is no view.

        If `after` is None, read from the oldest entry on. At most PAGE_ENTRIES are returned. Raises RedisUnavailable.
        """
        keys = [VERSION.key(), EPOCH.key(), LIVE.state, LIVE.chunks, EVENTS.key()]
        arguments = [LIVE.ledger(""), "-" if after is None else after, PAGE_ENTRIES, NEWEST_GAMES]
        async with connections.guarded("state", self._client):
            reply = await self._script(keys, arguments)
        return _parse_reply(reply) if reply else None

    async def wait_for_entry(self, after: int | None) -> None:
        """Wait until there is an entry after this version, but at most XREAD_BLOCK_SECONDS.

        Raises whatever the Redis client raises. The circuit breaker is not involved: the duration of a blocking call
        says nothing about the health of the server.
        """
        last = "$" if after is None else f"{after}-0"
        try:
            async with asyncio.timeout(XREAD_BLOCK_SECONDS + XREAD_GRACE_SECONDS):
                block_ms = round(XREAD_BLOCK_SECONDS * 1000)
                await self._blocking_client.xread({EVENTS.key(): last}, count=1, block=block_ms)
        except BaseException:
            # The reply may still arrive. Disconnect, so that it is not taken for the reply to the next command.
            with suppress(Exception):
                await self._blocking_client.connection_pool.disconnect()
            raise

    async def aclose(self) -> None:
        for client in (self._client, self._blocking_client):
            with suppress(*connections.UNAVAILABLE):
                await client.aclose()


def _parse_reply(reply: Any) -> ViewAndEntries:
    epoch, version, games, head, newest, entries = reply
    view = Snapshot(
        epoch.decode(),
        int(version),
        int(games),
        int(head) if head is not None else None,
        [Game.from_hundredths(*map(int, game)) for game in newest],
    )
    return ViewAndEntries(view, [(int(entry_id.partition(b"-")[0]), event) for entry_id, event in entries])
