"""Writing: set, delete, count, invalidate. Whatever is written ends the leases on it and is told to the processes."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, TypeVar

import msgspec

from cachecore import clearing, connections, leases, tags
from cachecore.keys import registry
from cachecore.leases import Args, Call

CHANNEL = "cache-invalidate"
VALUES_PER_CALL = 100

T = TypeVar("T")


class Word(msgspec.Struct, frozen=True):
    """The message on CHANNEL: what is invalid from now on. It hastens; nothing depends on it."""

    keys: list[str]
    tags: list[str]


def tag_versions(names: Sequence[str]) -> dict[str, bytes]:
    """As they are now, made where they are missing. Raises RoleUnavailable."""
    if not names:
        return {}
    args: Args = [tags.TAG_TTL_MS, *(tags.new_version() for _ in names)]
    with connections.use("cache") as client:
        return dict(zip(names, tags.read_versions(client, tags.keys(names), args), strict=True))


def write(values: Mapping[Any, tuple[bytes, int]]) -> int:
    """Store (envelope, ttl_ms) or delete (b"", 0); how many stood there. Raises RoleUnavailable."""
    return sum(run(leases.write(dict(chunk))) for chunk in _chunks(values.items(), VALUES_PER_CALL))


def invalidate(keys: Collection[str], names: Collection[str]) -> int:
    """One write a tag, one script a hundred keys; how many of the keys stood there. Raises RoleUnavailable."""
    if not keys and not names:
        return 0
    stood = write(dict.fromkeys(keys, (b"", 0)))
    with connections.use("cache") as client, client.pipeline(transaction=False) as pipeline:
        for tag_key in tags.keys(names):
            pipeline.set(tag_key, tags.new_version(), px=tags.TAG_TTL_MS)
        pipeline.publish(CHANNEL, msgspec.json.encode(Word(sorted(map(str, keys)), sorted(names))))
        pipeline.execute()
    return stood


def heard(message: bytes) -> tuple[list[str], list[str]]:
    """(keys, tags) of a message on CHANNEL. Raises msgspec.DecodeError for one that is not ours."""
    word = msgspec.json.decode(message, type=Word)
    return word.keys, word.tags


def invalidate_everything() -> None:
    """Every family of the cache service, by key. O(keys of the server). Raises RoleUnavailable."""
    for family in registry.values():
        if family.role == "cache":
            clearing.clear_family(family)


def clear_prefix(prefix: str) -> int:
    """Delete the values under a prefix and end the leases on them. Raises RoleUnavailable."""
    _unlink(leases.LEASE.prefix + prefix)  # first: nobody stores behind us
    return _unlink(prefix)


def run(call: Call) -> Any:
    with connections.use("cache") as client:
        return call.script(client, call.keys, call.args)


def _unlink(prefix: str) -> int:
    pattern = "".join(f"[{character}]" if character in "*?[]" else character for character in prefix) + "*"
    with connections.use("cache") as client:
        found = client.scan_iter(match=pattern, count=clearing.KEYS_PER_CALL)
        return sum(client.unlink(*chunk) for chunk in _chunks(found, clearing.KEYS_PER_CALL))


def _chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    remaining = iter(items)
    while chunk := list(islice(remaining, size)):
        yield chunk
