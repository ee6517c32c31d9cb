"""Tags: names of what a value depends on. Each has a version; invalidating a tag writes a new random one.

Every stored value contains the versions that its tags had. It is valid only while all of them are still the current
ones, so an invalidation is one write, whatever depends on the tag. There is no list of keys that grows, and no clock
that two servers could read differently. A lost version (eviction, flush, restart) turns the values into misses and
never into wrong hits, because its successor is random.
"""

import secrets
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from cachecore.keys import Family
from cachecore.patterns import only_part
from cachecore.redis_client.scripts import Script
from cachecore.tiers import DAY, MAX_TTL_SECONDS

VERSION_BYTES = 8
MAX_CACHED_COLLECTIONS = 1_000  # of tags, with their canonical form

TAG_VERSION = Family(
    name="tag-version",
    pattern="tag:{name}",
    role="cache",
    type="string",
    ttl_seconds=MAX_TTL_SECONDS + DAY,  # longer than any value's; renewed by every lease
    holds="the tag's version, 8 random bytes",
    written_by="cachecore.service (invalidate_tags), lua/leases/take_lease.lua, lua/tags/read_versions.lua",
    purged_by="its TTL after the last value was stored under it; a lost one turns its values into misses",
)
TAG_TTL_MS = (MAX_TTL_SECONDS + DAY) * 1000

read_versions = Script(Path(__file__).parent / "lua/tags/read_versions.lua")


def canonical(tags: Iterable[str]) -> tuple[str, ...]:
    """Return tags as they are stored: sorted and unique; long or unusual ones as hashes.

    Raises TypeError for a string in place of a collection, ValueError for a tag that is not a text or is empty.
    """
    return tuple(sorted({_canonical(tag) for tag in as_tuple(tags)}))


class CanonicalTags(NamedTuple):
    """Canonical names of tags, and the keys of their versions."""

    names: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()


NO_TAGS = CanonicalTags()


def canonical_tags(tags: tuple[str, ...]) -> CanonicalTags:
    """Return the canonical names and keys, cached because apps use few different collections. Raises as `canonical`."""
    try:
        return _canonical_tags(tags) if tags else NO_TAGS
    except TypeError:  # an unhashable tag cannot be a cache key, and is not a text: `canonical` raises ValueError
        return CanonicalTags(canonical(tags))


@lru_cache(maxsize=MAX_CACHED_COLLECTIONS)
def _canonical_tags(tags: tuple[str, ...]) -> CanonicalTags:
    names = canonical(tags)
    return CanonicalTags(names, version_keys(names))


def version_keys(names: Iterable[str]) -> tuple[str, ...]:
    """Return the keys of the versions of canonical tags."""
    return tuple([f"tag:{name}" for name in names])


def new_version() -> bytes:
    """Return a random version."""
    return secrets.token_bytes(VERSION_BYTES)


def are_current(
    stored: Mapping[str, bytes], current: Mapping[str, bytes | None], requested: Iterable[str] = ()
) -> bool:
    """Return True if a value stored under the versions `stored` is valid for a reader that requests these tags.

    `current` must contain the versions of all tags in `stored` and `requested`.
    """
    if stored == current:  # the usual case: the reader requests all of the value's tags, and nothing has changed
        return True
    return all(current[tag] == version for tag, version in stored.items()) and all(tag in stored for tag in requested)


def as_tuple(tags: Iterable[str]) -> tuple[str, ...]:
    """Return a caller's tags unchanged, as a tuple. Raises TypeError for a string in place of a collection."""
    if isinstance(tags, str):
        raise TypeError(f"Tags must be a collection of strings, not the string {tags!r}.")
    return tuple(tags)


def _canonical(tag: object) -> str:
    if not isinstance(tag, str) or not tag:
        raise ValueError(f"A tag must be a text that is not empty, not {tag!r}.")
    return only_part(tag)
