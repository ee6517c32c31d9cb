"""What all processes counted, in one hash of the state role, to which each process adds its counts every few seconds.

A batch is added once: its reply may be lost (a hung Redis executes what it had received when it wakes), so it is sent
again unchanged under the same sequence number until it is confirmed, and the script refuses what it knows. While
Redis is away the counts wait in this process, which costs no memory: they are the same counters.
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

BATCH_TTL_SECONDS = 60 * 60  # a batch without a reply is sent again within this time, or its process has ended
UNREGISTERED = "unregistered"  # counts of names that are no family share one: the hash stays bounded

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

Counts = dict[str, int]  # by field of the hash


class Totals:
    """The aggregate as one process sees it, and that process's own share on its way there."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self.reset()

    def reset(self) -> None:
        """Begin anew, as a process of its own."""
        self._lock = threading.Lock()
        self._process = secrets.token_hex(8)
        self._sequence = 0
        self._confirmed: Counter[str] = Counter()
        self._unconfirmed: Counts = {}
        self._known: Counter[str] = Counter()

    def flush(self) -> None:
        """Add what is new here to the totals. Raises RedisUnavailable; then it is kept and tried again."""
        with self._lock:
            if self._unconfirmed:
                self._send()
            self._unconfirmed = self._pending()
            if self._unconfirmed:
                self._sequence += 1
                self._send()

    def read(self) -> tuple[Counts, bool]:
        """The totals, and whether they are all of them.

        While the state role is away: the last totals read and what this process counted since, which a scraper sees
        as counters that grow slowly, not as counters that fell.
        """
        try:
            self.flush()
            with connections.guarded_client("state") as client:
                stored = client.hgetall(STATS_TOTALS.key())
        except RedisUnavailable:
            with self._lock:
                return dict(self._known + Counter(self._pending())), False
        with self._lock:
            self._known = Counter({field.decode(): int(amount) for field, amount in stored.items()})
            return dict(self._known), True

    def _pending(self) -> Counts:
        counted = Counter(_fields(self._counters.totals()))
        counted.subtract(self._confirmed)
        return {field: amount for field, amount in counted.items() if amount}

    def _send(self) -> None:
        batch = [STATS_TOTALS.key(), STATS_BATCH.key(process=self._process)]
        with connections.guarded_client("state") as client:
            _add_counts(client, batch, [self._sequence, BATCH_TTL_SECONDS, msgspec.json.encode(self._unconfirmed)])
        self._confirmed.update(self._unconfirmed)
        self._known.update(self._unconfirmed)
        self._unconfirmed = {}


def _fields(totals: Mapping[Name, int]) -> Counts:
    fields: Counter[str] = Counter()
    for (family, measure), amount in totals.items():
        fields[f"{family if family in keys.registry else UNREGISTERED}:{measure}"] += amount
    return fields
