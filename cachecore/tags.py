"""Tags by version: what a value depends on, by name. Invalidating one is a single write, whatever hangs on it.

A tag's version is random and stands in every value stored under it; a value whose versions are not all those of now
does not count. There is no list of keys to grow, and no clock that two servers could read differently. A lost version
(eviction, flush, restart) makes its values cold, never wrong: it is made anew at random.
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
MAX_REMEMBERED = 1_000  # collections of tags

TAG_VERSION = Family(
    name="tag-version",
    pattern="tag:{name}",
    role="cache",
    type="string",
    ttl_seconds=MAX_TTL_SECONDS + DAY,  # outlives every value; renewed by every lease
    holds="the tag's version, 8 random bytes",
    written_by="cachecore.service (invalidate_tags), lua/leases/take_lease.lua, lua/tags/read_versions.lua",
    purged_by="its TTL after the last value stored under it; a lost one makes its values cold",
)
TAG_TTL_MS = (MAX_TTL_SECONDS + DAY) * 1000

read_versions = Script(Path(__file__).parent / "lua/tags/read_versions.lua")


def canonical(tags: Iterable[str]) -> tuple[str, ...]:
    """Tags as they are stored: each once, in order; a long or odd one as its hash.

    Raises TypeError for a string in place of a collection, ValueError for a tag that is not a text or empty.
    """
    return tuple(sorted({_canonical(tag) for tag in listed(tags)}))


class CanonicalTags(NamedTuple):
    """The tags of a call: canonical, and their keys."""

    names: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()


NO_TAGS = CanonicalTags()


def canonical_tags(tags: tuple[str, ...]) -> CanonicalTags:
    """Remembered, because apps name the same few tags again and again. Raises as `canonical` does."""
    try:
        return _canonical_tags(tags) if tags else NO_TAGS
    except TypeError:  # one of them cannot be hashed, so it is no text either
        return CanonicalTags(canonical(tags))


@lru_cache(maxsize=MAX_REMEMBERED)
def _canonical_tags(tags: tuple[str, ...]) -> CanonicalTags:
    names = canonical(tags)
    return CanonicalTags(names, keys(names))


def keys(tags: Iterable[str]) -> tuple[str, ...]:
    """Keys of canonical tags."""
    return tuple([f"tag:{tag}" for tag in tags])


def new_version() -> bytes:
    return secrets.token_bytes(VERSION_BYTES)


def current(stored: Mapping[str, bytes], known: Mapping[str, bytes | None], named: Iterable[str] = ()) -> bool:
    """Whether a value stored under `stored` counts: `known` are the versions of now, `named` its reader's tags.

    `known` holds at least those of `stored` and `named`.
    """
    if stored == known:  # the usual case: the caller named all of its tags, and nothing has changed
        return True
    return all(known[tag] == version for tag, version in stored.items()) and all(name in stored for name in named)


def listed(tags: Iterable[str]) -> tuple[str, ...]:
    """A caller's tags as it named them. Raises TypeError for a string in place of a collection."""
    if isinstance(tags, str):
        raise TypeError(f"tags are a collection of strings, not the string {tags!r}")
    return tuple(tags)


def _canonical(tag: object) -> str:
    if not isinstance(tag, str) or not tag:
        raise ValueError(f"a tag is a text that is not empty, not {tag!r}")
    return only_part(tag)
