"""The counts of all processes in one hash of the state role, to which each process adds its own every few seconds.

Every batch is added exactly once. Its reply may be lost, because a hung Redis later executes what it had received. So a
batch is sent again unchanged under the same sequence number until it is confirmed, and the script rejects a batch that
it has already added. While Redis is unavailable the counts stay in this process, which takes no more memory: they are
the same counters.
"""

import secrets
import threading
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import msgspec

from cachecore import keys
from cachecore.keys import Family
from cachecore.redis_client import connections
from cachecore.redis_client.connections import RedisUnavailable
from cachecore.redis_client.scripts import Script
from cachecore.stats.counters import Counters, Name

BATCH_TTL_SECONDS = 60 * 60  # an unconfirmed batch is sent again within this time, unless its process has ended
UNREGISTERED = "unregistered"  # the shared name of counts for names that are no family, so that the hash stays bounded

STATS_TOTALS = Family(
    name="stats-totals",
    pattern="{{stats}}:totals",
    role="state",
    type="hash",
    ttl_seconds=None,
    holds="<family>:<measure> -> what all processes counted (integers; times in us); since_ms",
    written_by="cachecore.stats.totals (lua/stats/add_counts.lua)",
    purged_by="never; a lost one starts again at zero",
    bounded_by="one hash, families in code times about 60 measures",
)
STATS_BATCH = Family(
    name="stats-batch",
    pattern="{{stats}}:batch:{process}",
    role="state",
    type="string",
    ttl_seconds=BATCH_TTL_SECONDS,
    holds="the sequence number of a process's last batch of counts",
    written_by="cachecore.stats.totals (lua/stats/add_counts.lua)",
    purged_by="its TTL",
)
SINCE_MS = "since_ms"

_add_counts = Script(Path(__file__).parent / "lua/stats/add_counts.lua")

Counts = dict[str, int]  # field of the hash -> count


class Totals:
    """The totals as read by one process, and the process's own counts that are not yet part of them."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self.reset()

    def reset(self) -> None:
        """Start as a new process."""
        self._lock = threading.Lock()
        self._process = secrets.token_hex(8)
        self._sequence = 0
        self._confirmed: Counter[str] = Counter()
        self._unconfirmed: Counts = {}
        self._last_read: Counter[str] = Counter()

    def flush(self) -> None:
        """Add this process's new counts to the totals. Raises RedisUnavailable, and keeps them for the next call."""
        with self._lock:
            if self._unconfirmed:
                self._send()
            self._unconfirmed = self._pending()
            if self._unconfirmed:
                self._sequence += 1
                self._send()

    def read(self) -> tuple[Counts, bool]:
        """Return the totals, and True if they include all processes.

        While the state role is unavailable they are the last totals read plus this process's counts since: a scraper
        sees counters that grow more slowly, not counters that fall.
        """
        try:
            self.flush()
            with connections.guarded_client("state") as client:
                stored = client.hgetall(STATS_TOTALS.key())
        except RedisUnavailable:
            with self._lock:
                return dict(self._last_read + Counter(self._pending())), False
        with self._lock:
            self._last_read = Counter({field.decode(): int(amount) for field, amount in stored.items()})
            return dict(self._last_read), True

    def _pending(self) -> Counts:
        counted = Counter(_fields(self._counters.totals()))
        counted.subtract(self._confirmed)
        return {field: amount for field, amount in counted.items() if amount}

    def _send(self) -> None:
        batch = [STATS_TOTALS.key(), STATS_BATCH.key(process=self._process)]
        with connections.guarded_client("state") as client:
            _add_counts(client, batch, [self._sequence, BATCH_TTL_SECONDS, msgspec.json.encode(self._unconfirmed)])
        self._confirmed.update(self._unconfirmed)
        self._last_read.update(self._unconfirmed)
        self._unconfirmed = {}


def _fields(totals: Mapping[Name, int]) -> Counts:
    fields: Counter[str] = Counter()
    for (family, measure), amount in totals.items():
        fields[f"{family if family in keys.registry else UNREGISTERED}:{measure}"] += amount
    return fields
