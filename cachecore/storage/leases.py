"""Leases: of all processes that miss a value, the holder of its lease computes it, and only the holder may store it.

A lease is a key beside the value. It contains the holder's token and the versions that the tags had when it was taken.
Deleting or setting the value deletes the lease, and a tag's new version makes it invalid: a value that was read before
an invalidation is never stored after it. Waiters block on the latch, a list to which the holder adds one element when
it has finished. A holder that dies delays the others by the TTL of its lease; then exactly one of them takes over.
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
WRITER = b"writer"  # in place of the versions, in the lease of a write-through: readers do not wait for it

LEASE = Family(
    name="cache-lease",
    pattern="lease:{key}",
    role="cache",
    type="string",
    ttl_seconds=5,
    holds="the holder's token and the versions that the tags had when it was taken",
    written_by="cachecore.storage.leases (lua/leases/take_lease.lua)",
    purged_by="its holder, a delete or set of the value, its TTL (CACHE_LEASE_SECONDS)",
)
LATCH = Family(
    name="cache-latch",
    pattern="latch:{key}",
    role="cache",
    type="list",
    ttl_seconds=LATCH_MS // 1000,
    holds="one element after the lease has ended; waiters block on it",
    written_by="cachecore.storage.leases (lua/leases/store_value.lua, write_values.lua, increment_counter.lua)",
    purged_by="the next lease, its TTL",
)

_scripts = Path(__file__).parent / "lua/leases"


class LeaseScript(Script):
    def execute(self, keys: Sequence[str], args: Args, *, retry: bool = True) -> Any:
        """Run the script by the fastest path; without `retry` it is not sent again if its reply is lost.

        Raises RedisUnavailable.
        """
        try:
            return connections.execute("cache", "EVALSHA", self._sha, len(keys), *keys, *args, retry=retry)
        except NoScriptError:
            return connections.execute("cache", "EVAL", self._source, len(keys), *keys, *args, retry=retry)

    async def run_async(self, client: Any, keys: Sequence[str], args: Args) -> Any:
        """Run the script with a client of the event loop."""
        try:
            return await client.evalsha(self._sha, len(keys), *keys, *args)
        except NoScriptError:
            return await client.eval(self._source, len(keys), *keys, *args)


class ScriptCall(NamedTuple):
    """A script with its keys and arguments."""

    script: LeaseScript
    keys: Sequence[str]
    args: Args


take_lease = LeaseScript(_scripts / "take_lease.lua")
store_value = LeaseScript(_scripts / "store_value.lua")
write_values = LeaseScript(_scripts / "write_values.lua")
increment_counter = LeaseScript(_scripts / "increment_counter.lua")


class Acquired(NamedTuple):
    """The lease was taken. `content` is what its key contains; `versions` are those of the tags at that moment."""

    content: bytes
    versions: dict[str, bytes]


class HeldByOther(NamedTuple):
    """Another caller holds the lease, for `seconds` more at most."""

    seconds: float


class ValueChanged(NamedTuple):
    """The key has another value than the one that the caller has read."""


def lease_key(key: str) -> str:
    """Return the key of the lease on a value.

    Not by `LEASE.key`, which would hash a long key: clearing a prefix finds the leases by the prefix.
    """
    return LEASE.prefix + key


def latch_key(key: str) -> str:
    """Return the key of the latch of a value."""
    return LATCH.prefix + key


def _script_keys(key: str) -> tuple[str, str, str]:
    return key, lease_key(key), latch_key(key)


def acquire(key: str, names: Sequence[str], header: bytes, lease_seconds: float) -> tuple[bytes, ScriptCall]:
    """Return the token and the call that takes the lease.

    `names`: the canonical tags. `header`: that of the value which the caller has read, empty for none.
    """
    token = secrets.token_bytes(TOKEN_BYTES)
    new = [tags.new_version() for _ in names]
    args: Args = [token, round(lease_seconds * 1000), header, HEADER_BYTES, tags.TAG_TTL_MS, *new]
    return token, ScriptCall(take_lease, (*_script_keys(key), *tags.version_keys(names)), args)


def parse_acquire_reply(
    token: bytes, names: Sequence[str], reply: Sequence[int | bytes]
) -> Acquired | HeldByOther | ValueChanged:
    """Parse the reply of take_lease.lua."""
    outcome, *rest = reply
    if outcome == 2:
        return ValueChanged()
    if outcome == 0:
        return HeldByOther(max(int(rest[0]), 1) / 1000)
    versions = dict(zip(names, (bytes(version) for version in rest), strict=True))
    return Acquired(token + b"".join(versions.values()), versions)


def store(key: str, content: bytes, versions: Mapping[str, bytes], envelope: bytes, ttl_ms: int) -> ScriptCall:
    """Return the call that stores a value under a lease. It returns 1, or 0 if the lease or a version is lost."""
    args: Args = [content, envelope, ttl_ms, LATCH_MS, *versions.values()]
    return ScriptCall(store_value, (*_script_keys(key), *tags.version_keys(versions)), args)


def release(key: str, content: bytes) -> ScriptCall:
    """Return the call that ends a lease without storing and wakes the waiters."""
    return ScriptCall(store_value, _script_keys(key), (content, b"", 0, LATCH_MS))


def increment(key: str, amount: int, ttl_ms: int) -> ScriptCall:
    """Return the call that adds to a counter. It returns the new count."""
    return ScriptCall(increment_counter, _script_keys(key), (amount, ttl_ms, LATCH_MS))


def write(values: Mapping[str, tuple[bytes, int]]) -> ScriptCall:
    """Return the call that stores (envelope, ttl_ms) or deletes (b"", 0) keys. It returns how many keys existed."""
    keys = [name for key in values for name in _script_keys(key)]
    return ScriptCall(write_values, keys, [LATCH_MS, *(part for value in values.values() for part in value)])
