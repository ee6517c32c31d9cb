"""Delete values by family or by prefix. Never flushes a server, and never touches keys of the state role.

A value that is being computed while its family is cleared is not stored: the leases are deleted first. Every clearing
also records its time for the responses that processes keep in memory (cachecore/storage/clear_times.py).
"""

import re
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from cachecore import tags, versions
from cachecore.keys import Family, registry
from cachecore.redis_client import connections
from cachecore.storage import clear_times, leases

KEYS_PER_CALL = 500

_GLOB_CHARACTER = re.compile(r"[*?\[\]\\]")


def clear_family(family: Family, *, dry_run: bool = False) -> int:
    """Delete every key of a family and return how many. O(keys of the server): for operators.

    `dry_run`: only count them. Raises ValueError for a family of the state role, RedisUnavailable.
    """
    (prefix,) = prefixes_of(family)
    if dry_run:
        with connections.guarded_client("cache") as client:
            return sum(map(len, _scan(client, prefix)))
    return clear_prefix(prefix)


def prefixes_of(what: Family | str | None) -> list[str]:
    """Return the key prefixes of a family, of a part of one (a prefix), or of the whole cache role (None).

    Raises ValueError for a family or prefix that is not of the cache role.
    """
    if what is None:
        return [family.prefix for family in _cache_families()]
    if isinstance(what, Family):
        if what.role != "cache":
            raise ValueError(f"Family {what.name} is of the state role and must not be cleared: {what.holds}.")
        return [what.prefix]
    if not any(what.startswith(family.prefix) for family in _cache_families()):
        raise ValueError(f"No family of the cache role has keys that begin with {what!r:.100}.")
    return [what]


def clear_prefix(prefix: str) -> int:
    """Delete the leases under a prefix, then the values; return how many values. Raises RedisUnavailable.

    Processes then drop the responses in memory of every family with keys under the prefix. A holder whose lease is
    deleted cannot store. SCAN promises to find every lease that exists when it begins. A lease taken during the SCAN
    belongs to a caller that computes after this call began, as if it had come later.
    """
    _unlink(leases.LEASE.prefix + prefix)
    count = _unlink(prefix)
    _record_clear_time(family for family in _cache_families() if _may_have_keys_under(family, prefix))
    return count


def clear_everything() -> None:
    """Delete the keys of every family of the cache role, the leases first, in two SCANs. Raises RedisUnavailable."""
    prefixes = tuple(prefix.encode() for prefix in prefixes_of(None))
    _unlink(leases.LEASE.prefix)
    with connections.guarded_client("cache") as client:
        for batch in _scan(client, ""):
            if keys := [key for key in batch if key.startswith(prefixes)]:
                client.unlink(*keys)
    _record_clear_time(_cache_families())


def raise_namespace_version(name: str) -> int:
    """Invalidate everything keyed by a namespace's version, in O(1); return the new version.

    Raises KeyError for an unknown namespace, RedisUnavailable.
    """
    return versions.raise_version(versions.namespaces[name])


def has_values(tag: str) -> bool:
    """Return True if there may be values under a tag of the cache service. Raises RedisUnavailable."""
    with connections.guarded_client("cache") as client:
        return bool(client.exists(*tags.version_keys(tags.canonical([tag]))))


def _cache_families() -> list[Family]:
    return [family for family in registry.values() if family.role == "cache"]


def _record_clear_time(families: Iterable[Family]) -> None:
    """Record that these families were cleared now. Call it after their keys were deleted. Raises RedisUnavailable."""
    for family in families:
        if family.options.cached_before_django:
            clear_times.record(family)


def _may_have_keys_under(family: Family, prefix: str) -> bool:
    return family.prefix.startswith(prefix) or prefix.startswith(family.prefix)


def _unlink(prefix: str) -> int:
    with connections.guarded_client("cache") as client:
        return sum(client.unlink(*keys) for keys in _scan(client, prefix))


def _scan(client: Any, prefix: str) -> Iterator[list[bytes]]:
    pattern = _GLOB_CHARACTER.sub(r"\\\g<0>", prefix) + "*"
    keys = client.scan_iter(match=pattern, count=KEYS_PER_CALL)
    while batch := list(islice(keys, KEYS_PER_CALL)):  # itertools.batched from Python 3.12 on
        yield batch
