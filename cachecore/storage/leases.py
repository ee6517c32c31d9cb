"""Leases: of all who miss a value, one computes it, and only who holds the lease may store.

A lease is a token beside the value, stamped with the tags' versions read when it was taken. Deleting or setting the
value ends it; invalidating a tag makes it worthless: whatever was read before is not stored after. Who waits blocks
on the latch, a list of one element that the holder leaves when it is done. A holder that dies delays the others by
the lease's TTL, then exactly one of them takes over.
"""

import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from redis.exceptions import NoScriptError

from cachecore import tags
from cachecore.keys import Family
from cachecore.redis_client import connections
from cachecore.redis_client.scripts import Script
from cachecore.storage.envelope import HEADER_BYTES

TOKEN_BYTES = 16
LATCH_MS = 2_000  # longer than a waiter needs from reading the lease to blocking on the latch
Args = Sequence[str | int | bytes]
WRITER = b"writer"  # instead of a stamp: readers never wait for who writes through

LEASE = Family(
    name="cache-lease",
    pattern="lease:{key}",
    role="cache",
    type="string",
    ttl_seconds=5,
    holds="the holder's token and the versions of the tags it read",
    written_by="cachecore.storage.leases (lua/leases/take_lease.lua)",
    purged_by="its holder, a delete or set of the value, its TTL (CACHE_LEASE_SECONDS)",
)
LATCH = Family(
    name="cache-latch",
    pattern="latch:{key}",
    role="cache",
    type="list",
    ttl_seconds=LATCH_MS // 1000,
    holds="one element once the lease has ended; waiters block on it",
    written_by="cachecore.storage.leases (lua/leases/store_value.lua, write_values.lua, increment_counter.lua)",
    purged_by="the next lease, its TTL",
)

_scripts = Path(__file__).parent / "lua/leases"


class LeaseScript(Script):
    def execute(self, keys: Sequence[str], args: Args) -> Any:
        """The same on the shortest way."""
        try:
            return connections.execute("cache", "EVALSHA", self._sha, len(keys), *keys, *args)
        except NoScriptError:
            return connections.execute("cache", "EVAL", self._source, len(keys), *keys, *args)

    async def run_async(self, client: Any, keys: Sequence[str], args: Args) -> Any:
        """The same for a client of the event loop."""
        try:
            return await client.evalsha(self._sha, len(keys), *keys, *args)
        except NoScriptError:
            return await client.eval(self._source, len(keys), *keys, *args)


class Call(NamedTuple):
    """A script with its keys and arguments."""

    script: LeaseScript
    keys: Sequence[str]
    args: Args


take_lease = LeaseScript(_scripts / "take_lease.lua")
store_value = LeaseScript(_scripts / "store_value.lua")
write_values = LeaseScript(_scripts / "write_values.lua")
increment_counter = LeaseScript(_scripts / "increment_counter.lua")


class Acquired(NamedTuple):
    lease: bytes
    versions: dict[str, bytes]


class HeldByOther(NamedTuple):
    """Somebody else computes; a dead one is outlived in `seconds`."""

    seconds: float


class ValueChanged(NamedTuple):
    """Another value stands there than the one the caller saw."""


def lease_of(key: str) -> str:
    """Not through the family, which would hash a long one: who clears a prefix finds the leases by it."""
    return LEASE.prefix + key


def latch_of(key: str) -> str:
    return LATCH.prefix + key


def keys_of(key: str) -> tuple[str, str, str]:
    return key, lease_of(key), latch_of(key)


def acquire(key: str, names: Sequence[str], seen: bytes, lease_seconds: float) -> tuple[bytes, Call]:
    """The token, and the call that takes the lease. `names`: canonical tags; `seen`: the header of what stood there."""
    token = secrets.token_bytes(TOKEN_BYTES)
    new = [tags.new_version() for _ in names]
    args: Args = [token, round(lease_seconds * 1000), seen, HEADER_BYTES, tags.TAG_TTL_MS, *new]
    return token, Call(take_lease, (*keys_of(key), *tags.keys(names)), args)


def parse_acquire_reply(
    token: bytes, names: Sequence[str], reply: Sequence[int | bytes]
) -> Acquired | HeldByOther | ValueChanged:
    outcome, *rest = reply
    if outcome == 2:
        return ValueChanged()
    if outcome == 0:
        return HeldByOther(max(int(rest[0]), 1) / 1000)
    versions = dict(zip(names, (bytes(version) for version in rest), strict=True))
    return Acquired(token + b"".join(versions.values()), versions)


def store(key: str, lease: bytes, versions: Mapping[str, bytes], envelope: bytes, ttl_ms: int) -> Call:
    """The call answers 1 when it stored, 0 when the lease or a version was lost."""
    args: Args = [lease, envelope, ttl_ms, LATCH_MS, *versions.values()]
    return Call(store_value, (*keys_of(key), *tags.keys(versions)), args)


def release(key: str, lease: bytes) -> Call:
    return Call(store_value, keys_of(key), (lease, b"", 0, LATCH_MS))


def increment(key: str, amount: int, ttl_ms: int) -> Call:
    """The call answers the new count."""
    return Call(increment_counter, keys_of(key), (amount, ttl_ms, LATCH_MS))


def write(values: Mapping[str, tuple[bytes, int]]) -> Call:
    """Store (envelope, ttl_ms) or delete (b"", 0) whatever stood there; answers how many stood."""
    keys = [name for key in values for name in keys_of(key)]
    return Call(write_values, keys, [LATCH_MS, *(part for value in values.values() for part in value)])
