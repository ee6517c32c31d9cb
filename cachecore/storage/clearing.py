"""Clearing by family, by prefix or by tag; a server is never flushed and nothing of the state role is touched.

What is being computed under a lease while its family is cleared is not stored: the leases end first.
"""

from collections.abc import Iterator
from itertools import islice
from typing import Any

from cachecore import tags, versions
from cachecore.keys import Family, registry
from cachecore.redis_client import connections
from cachecore.storage import clear_times, leases

KEYS_PER_CALL = 500


def clear_family(family: Family, *, dry_run: bool = False) -> int:
    """Delete every key of a family of the cache role; returns how many. O(keys of the server): for operators.

    Raises ValueError for a family of the state role, RedisUnavailable.
    """
    (prefix,) = prefixes_of(family)
    if dry_run:
        with connections.guarded_client("cache") as client:
            return sum(map(len, _found(client, prefix)))
    count = clear_prefix(prefix)
    if family.options.cached_before_django:
        clear_times.record(family)
    return count


def prefixes_of(what: Family | str | None) -> list[str]:
    """Of a family, of a part of one, or of all of the cache role. Raises ValueError for what is not of it."""
    if what is None:
        return [family.prefix for family in _ours()]
    if isinstance(what, Family):
        if what.role != "cache":
            raise ValueError(f"{what.name} is not a cache: {what.holds}")
        return [what.prefix]
    if not any(what.startswith(family.prefix) for family in _ours()):
        raise ValueError(f"no family of the cache has keys that begin with {what!r:.100}")
    return [what]


def clear_prefix(prefix: str) -> int:
    """Delete the values under a prefix, after the leases on them: a holder that began before stores no more.

    A lease that is there when the search for leases begins is found: SCAN promises that. One that is taken during the
    search is its holder's who computes after the call began, which is as good as after it.
    """
    _unlink(leases.LEASE.prefix + prefix)
    return _unlink(prefix)


def clear_everything() -> None:
    """Every family of the cache role, by key, the leases first: two SCANs in all. Raises RedisUnavailable."""
    prefixes = tuple(prefix.encode() for prefix in prefixes_of(None))
    _unlink(leases.LEASE.prefix)
    with connections.guarded_client("cache") as client:
        for batch in _found(client, ""):
            if keys := [key for key in batch if key.startswith(prefixes)]:
                client.unlink(*keys)
    for family in _ours():
        if family.options.cached_before_django:
            clear_times.record(family)


def bump_tag(tag: str) -> int:
    """Make everything that hangs on a tag cold, in O(1); returns the new version.

    Raises KeyError for an unknown tag, RedisUnavailable.
    """
    return versions.raise_version(versions.namespaces[tag])


def has_values(tag: str) -> bool:
    """Whether there may be values under a tag of the cache service. Raises RedisUnavailable."""
    with connections.guarded_client("cache") as client:
        return bool(client.exists(*tags.keys(tags.canonical([tag]))))


def _ours() -> list[Family]:
    return [family for family in registry.values() if family.role == "cache"]


def _unlink(prefix: str) -> int:
    with connections.guarded_client("cache") as client:
        return sum(client.unlink(*keys) for keys in _found(client, prefix))


def _found(client: Any, prefix: str) -> Iterator[list[bytes]]:
    pattern = "".join(f"[{character}]" if character in "*?[]" else character for character in prefix) + "*"
    keys = client.scan_iter(match=pattern, count=KEYS_PER_CALL)
    while batch := list(islice(keys, KEYS_PER_CALL)):
        yield batch
