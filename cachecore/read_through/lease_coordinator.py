"""Leading: of all processes that miss a value, the holder of its lease computes it, and the others wait for that.

Steps (cachecore/read_through/effects.py): no I/O here.
"""

import time
from collections.abc import Callable

from cachecore import conf
from cachecore.read_through.computation import Computer
from cachecore.read_through.effects import Run, Steps, Wait
from cachecore.read_through.request import Ask
from cachecore.read_through.stored_values import Reader, Seen
from cachecore.redis_client.connections import RoleUnavailable
from cachecore.storage import leases
from cachecore.storage.envelope import Payload
from cachecore.storage.expiry import Freshness
from cachecore.storage.leases import Changed, Held, Taken
from cachecore.ttl import effective_ttl


class Leader:
    def __init__(self, reader: Reader, computer: Computer, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._reader = reader
        self._computer = computer
        self._monotonic = monotonic

    def lead(self, ask: Ask, seen: Seen) -> Steps[Payload]:
        """Who has waited twice the lease computes alone and stores nothing."""
        effective_ttl.seconds_of(ask.family, ask.ttl)  # a wrong setting is an error before a lease is taken
        last_seconds = max(seen.compute_seconds, self._computer.took_seconds(ask.family))
        lease_seconds = max(conf.lease_seconds(ask.family), 2 * last_seconds)
        give_up_at = self._monotonic() + 2 * lease_seconds
        while self._monotonic() < give_up_at:
            try:
                answer = yield from self._take(ask, seen, lease_seconds)
                if isinstance(answer, Held) and seen.payload is None and not (yield from self._wait(ask, answer)):
                    continue  # its holder may be dead: ask again
            except RoleUnavailable:
                break
            if isinstance(answer, Taken):
                return (yield from self._computer.and_store(ask, seen, answer))
            if seen.payload is not None and isinstance(answer, Held):
                return served_old(ask, seen, seen.payload)
            seen = yield from self._reader.look(ask.key, ask.named, ask.asked)
            if seen.payload is not None:
                ask.count("miss")  # another computed it while this caller missed it
                return seen.payload
        return (yield from self._computer.without_storing(ask, seen))

    def _take(self, ask: Ask, seen: Seen, lease_seconds: float) -> Steps[Taken | Held | Changed]:
        token, call = leases.take(ask.key, ask.named.tags, seen.header, lease_seconds)
        return leases.taken(token, ask.named.tags, (yield Run(call)))

    def _wait(self, ask: Ask, held: Held) -> Steps[bool]:
        """Until the latch opens (True), or the lease may have run out, or for one slice of the socket's limit."""
        ask.count("wait")
        seconds = min(held.seconds + 0.001, conf.wait_slice_seconds())
        return bool((yield Wait(leases.latch_of(ask.key), seconds)))


def served_old(ask: Ask, seen: Seen, payload: Payload) -> Payload:
    ask.count("hit" if seen.freshness is Freshness.EARLY else "stale")
    return payload
