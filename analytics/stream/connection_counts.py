"""The number of open streams and of resets over all processes.

Each process reports its own numbers to Redis; /metrics shows the sums.
"""

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
EXPIRE_AFTER_MS = 20_000  # a process without a report for so long was killed: its streams no longer count

# Not under {analytics}: a rebuild removes every key there that does not belong to its view.
STREAMS = Family(
    name="streams-open",
    pattern="{{streams}}:open",
    role="state",
    type="hash",
    ttl_seconds=None,
    holds="process -> 'number of its open streams, time of its report in ms'",
    written_by="analytics.stream.connection_counts",
    purged_by="the process when it stops; if it was killed, the next report of another process",
    bounded_by="one field per web process",
)
RESETS = Family(
    name="streams-resets",
    pattern="{{streams}}:resets",
    role="state",
    type="hash",
    ttl_seconds=None,
    holds="reason -> number of resets sent to clients, by all processes ever",
    written_by="analytics.stream.connection_counts",
    purged_by="never",
    bounded_by="one field per reason",
)


class Counts(NamedTuple):
    """Open streams, and resets by reason."""

    connections: int
    resets: Mapping[str, int]


def read_counts() -> Counts:
    """Return the counts over all processes, as they reported them within the last seconds. Raises RedisUnavailable."""
    with connections.guarded_client("state") as client, client.pipeline() as pipeline:
        pipeline.hgetall(STREAMS.key())
        pipeline.hgetall(RESETS.key())
        streams, resets = pipeline.execute()
    open_streams = sum(int(entry.split()[0]) for entry in streams.values() if not _is_expired(entry))
    return Counts(open_streams, {reason.decode(): int(amount) for reason, amount in resets.items()})


class CountReporter:
    """Reports the counts of one process and event loop. Its owner must call `aclose`."""

    def __init__(self) -> None:
        self._client = connections.async_client("state")
        self._process = secrets.token_hex(8)
        self._reported_resets: Counter[Reason] = Counter()
        self._reporting = asyncio.Lock()

    async def report(self, open_streams: int, resets: Counter[Reason]) -> None:
        """Report the number of open streams, and the resets since the last report. Raises RedisUnavailable.

        Accepted: if the reply to an increment is lost, the next report repeats it and these resets count twice.
        """
        async with self._reporting, connections.guarded("state", self._client) as client:
            await client.hset(STREAMS.key(), self._process, f"{open_streams} {now_ms()}")
            for reason, amount in (resets - self._reported_resets).items():
                await client.hincrby(RESETS.key(), reason, amount)
                self._reported_resets[reason] += amount
            streams = await client.hgetall(STREAMS.key())
            if expired := [process for process, entry in streams.items() if _is_expired(entry)]:
                await client.hdel(STREAMS.key(), *expired)

    async def aclose(self) -> None:
        """Remove this process's report. If Redis is unavailable, the report expires by itself."""
        with suppress(connections.RedisUnavailable):
            async with connections.guarded("state", self._client) as client:
                await client.hdel(STREAMS.key(), self._process)
        with suppress(*connections.UNAVAILABLE):
            await self._client.aclose()


def _is_expired(entry: bytes) -> bool:
    return now_ms() - int(entry.split()[1]) > EXPIRE_AFTER_MS
