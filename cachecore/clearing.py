"""Clearing by family or by tag; a server is never flushed and nothing of the state role is touched."""

from collections.abc import Iterator
from itertools import islice

from cachecore import connections, versions
from cachecore.keys import Family

KEYS_PER_CALL = 500


def clear_family(family: Family, *, dry_run: bool = False) -> int:
    """Delete every key of a family of the cache role; returns how many. O(keys of the server): for operators.

    Raises ValueError for a family of the state role, RoleUnavailable.
    """
    if family.role != "cache":
        raise ValueError(f"{family.name} is not a cache: {family.holds}")
    cleared = 0
    with connections.use("cache") as client:
        keys: Iterator[bytes] = client.scan_iter(match=_escaped(family.prefix) + "*", count=KEYS_PER_CALL)
        while batch := list(islice(keys, KEYS_PER_CALL)):
            cleared += len(batch) if dry_run else client.unlink(*batch)
    return cleared


def bump_tag(tag: str) -> int:
    """Make everything that hangs on a tag cold, in O(1); returns the new version.

    Raises KeyError for an unknown tag, RoleUnavailable.
    """
    return versions.raise_version(versions.namespaces[tag])


def _escaped(prefix: str) -> str:
    return "".join(f"[{character}]" if character in "*?[]" else character for character in prefix)
