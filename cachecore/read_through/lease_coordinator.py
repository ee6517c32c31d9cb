"""Across processes: the holder of a value's lease computes it, and the others wait for the lease to end.

Yields effects (cachecore/read_through/effects.py) and performs no I/O.
"""

import time
from collections.abc import Callable

from cachecore import conf
from cachecore.read_through.computation import Computation
from cachecore.read_through.effects import EffectGenerator, RunScript, WaitForLatch
from cachecore.read_through.request import ReadRequest
from cachecore.read_through.stored_values import ReadResult, StoredValueReader
from cachecore.redis_client.connections import RedisUnavailable
from cachecore.storage import leases
from cachecore.storage.envelope import Payload
from cachecore.storage.expiry import Freshness
from cachecore.storage.leases import Acquired, HeldByOther, ValueChanged
from cachecore.ttl import effective_ttl


class LeaseCoordinator:
    def __init__(
        self, reader: StoredValueReader, computation: Computation, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._reader = reader
        self._computation = computation
        self._monotonic = monotonic

    def lead(self, read: ReadRequest, stored: ReadResult) -> EffectGenerator[Payload]:
        """Take the lease and compute, or return the value of the process that holds it.

        A caller that has waited for twice the lease computes without storing.
        """
        effective_ttl.seconds_of(read.family, read.ttl)  # raise for a wrong setting before a lease is taken
        last_seconds = max(stored.compute_seconds, self._computation.last_compute_seconds(read.family))
        lease_seconds = max(conf.lease_seconds(read.family), 2 * last_seconds)
        give_up_at = self._monotonic() + 2 * lease_seconds
        while self._monotonic() < give_up_at:
            try:
                reply = yield from self._acquire(read, stored, lease_seconds)
                if (
                    isinstance(reply, HeldByOther)
                    and stored.payload is None
                    and not (yield from self._wait(read, reply))
                ):
                    continue  # its holder may have died: try to take the lease again
            except RedisUnavailable:
                break
            if isinstance(reply, Acquired):
                return (yield from self._computation.compute_and_store(read, stored, reply))
            if stored.payload is not None and isinstance(reply, HeldByOther):
                return serve_stored(read, stored, stored.payload)
            stored = yield from self._reader.read(read.key, read.canonical_tags, read.requested_tags)
            if stored.payload is not None:
                read.count("miss")  # the value was missing when this caller read, and another process computed it
                return stored.payload
        return (yield from self._computation.compute_or_stale(read, stored))

    def _acquire(
        self, read: ReadRequest, stored: ReadResult, lease_seconds: float
    ) -> EffectGenerator[Acquired | HeldByOther | ValueChanged]:
        token, call = leases.acquire(read.key, read.canonical_tags.names, stored.header, lease_seconds)
        return leases.parse_acquire_reply(token, read.canonical_tags.names, (yield RunScript(call)))

    def _wait(self, read: ReadRequest, lease: HeldByOther) -> EffectGenerator[bool]:
        """Wait until the latch opens; return False if the lease may have expired or the wait slice is over."""
        read.count("wait")
        seconds = min(lease.seconds + 0.001, conf.wait_slice_seconds())
        return bool((yield WaitForLatch(leases.latch_key(read.key), seconds)))


def serve_stored(read: ReadRequest, stored: ReadResult, payload: Payload) -> Payload:
    """Return a stored value without refreshing it, and count it: as a hit if it was due for an early refresh only."""
    read.count("hit" if stored.freshness is Freshness.EARLY else "stale")
    return payload
