"""What the streams of all processes come to: told to Redis by each, read by whoever is asked for /metrics."""

import asyncio
import secrets
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from typing import NamedTuple

from analytics.stream.events import Reason
from cachecore.clock import now_ms
from cachecore.keys import Family
from cachecore.redis_client import connections

REPORT_EVERY_SECONDS = 5.0
EXPIRE_AFTER_MS = 20_000  # a process that was killed tells no more, and holds none

# Not under {analytics}: a rebuild removes what is no part of the view it built.
STREAMS = Family(
    name="streams-open",
    pattern="{{streams}}:open",
    role="state",
    type="hash",
    ttl_seconds=None,
    holds="process -> 'streams it holds, when it told that (ms)'",
    written_by="analytics.stream.connection_counts",
    purged_by="the process when it stops; another's next telling when it was killed",
    bounded_by="one field per web process",
)
RESETS = Family(
    name="streams-resets",
    pattern="{{streams}}:resets",
    role="state",
    type="hash",
    ttl_seconds=None,
    holds="reason -> clients that had to begin anew, in all processes ever",
    written_by="analytics.stream.connection_counts",
    purged_by="never",
    bounded_by="one field per reason",
)


class Counts(NamedTuple):
    connections: int
    resets: Mapping[str, int]


def read_counts() -> Counts:
    """Of all processes, as they told it within the last seconds. Raises RedisUnavailable."""
    with connections.guarded_client("state") as client, client.pipeline() as pipeline:
        pipeline.hgetall(STREAMS.key())
        pipeline.hgetall(RESETS.key())
        streams, resets = pipeline.execute()
    held = sum(int(entry.split()[0]) for entry in streams.values() if not _is_expired(entry))
    return Counts(held, {reason.decode(): int(amount) for reason, amount in resets.items()})


class CountReporter:
    """Tells for one process and event loop; its owner closes it."""

    def __init__(self) -> None:
        self._client = connections.async_client("state")
        self._process = secrets.token_hex(8)
        self._reported_resets: Counter[Reason] = Counter()
        self._reporting = asyncio.Lock()

    async def report(self, held: int, resets: Counter[Reason]) -> None:
        """Raises RedisUnavailable. Accepted: where only a reply is lost, what it confirmed is counted twice."""
        async with self._reporting, connections.guarded("state", self._client) as client:
            await client.hset(STREAMS.key(), self._process, f"{held} {now_ms()}")
            for reason, amount in (resets - self._reported_resets).items():
                await client.hincrby(RESETS.key(), reason, amount)
                self._reported_resets[reason] += amount
            streams = await client.hgetall(STREAMS.key())
            if forgotten := [process for process, entry in streams.items() if _is_expired(entry)]:
                await client.hdel(STREAMS.key(), *forgotten)

    async def aclose(self) -> None:
        """This process holds none from now on; where Redis is away that is found out in a while."""
        with suppress(connections.RedisUnavailable):
            async with connections.guarded("state", self._client) as client:
                await client.hdel(STREAMS.key(), self._process)
        with suppress(*connections.UNAVAILABLE):
            await self._client.aclose()


def _is_expired(entry: bytes) -> bool:
    return now_ms() - int(entry.split()[1]) > EXPIRE_AFTER_MS
