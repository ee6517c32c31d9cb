"""Leading: of all processes that miss a value, the holder of its lease computes it, and the others wait for that.

Steps (cachecore/read_through/effects.py): no I/O here.
"""

import time
from collections.abc import Callable

from cachecore import conf
from cachecore.read_through.computation import Computation
from cachecore.read_through.effects import EffectGenerator, Run, Wait
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
        self, reader: StoredValueReader, computer: Computation, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._reader = reader
        self._computation = computer
        self._monotonic = monotonic

    def lead(self, ask: ReadRequest, seen: ReadResult) -> EffectGenerator[Payload]:
        """Who has waited twice the lease computes alone and stores nothing."""
        effective_ttl.seconds_of(ask.family, ask.ttl)  # a wrong setting is an error before a lease is taken
        last_seconds = max(seen.compute_seconds, self._computation.last_compute_seconds(ask.family))
        lease_seconds = max(conf.lease_seconds(ask.family), 2 * last_seconds)
        give_up_at = self._monotonic() + 2 * lease_seconds
        while self._monotonic() < give_up_at:
            try:
                answer = yield from self._acquire(ask, seen, lease_seconds)
                if (
                    isinstance(answer, HeldByOther)
                    and seen.payload is None
                    and not (yield from self._wait(ask, answer))
                ):
                    continue  # its holder may be dead: ask again
            except RedisUnavailable:
                break
            if isinstance(answer, Acquired):
                return (yield from self._computation.compute_and_store(ask, seen, answer))
            if seen.payload is not None and isinstance(answer, HeldByOther):
                return serve_stored(ask, seen, seen.payload)
            seen = yield from self._reader.read(ask.key, ask.canonical_tags, ask.requested_tags)
            if seen.payload is not None:
                ask.count("miss")  # another computed it while this caller missed it
                return seen.payload
        return (yield from self._computation.compute_or_stale(ask, seen))

    def _acquire(
        self, ask: ReadRequest, seen: ReadResult, lease_seconds: float
    ) -> EffectGenerator[Acquired | HeldByOther | ValueChanged]:
        token, call = leases.acquire(ask.key, ask.canonical_tags.names, seen.header, lease_seconds)
        return leases.parse_acquire_reply(token, ask.canonical_tags.names, (yield Run(call)))

    def _wait(self, ask: ReadRequest, held: HeldByOther) -> EffectGenerator[bool]:
        """Until the latch opens (True), or the lease may have run out, or for one slice of the socket's limit."""
        ask.count("wait")
        seconds = min(held.seconds + 0.001, conf.wait_slice_seconds())
        return bool((yield Wait(leases.latch_of(ask.key), seconds)))


def serve_stored(ask: ReadRequest, seen: ReadResult, payload: Payload) -> Payload:
    ask.count("hit" if seen.freshness is Freshness.EARLY else "stale")
    return payload
