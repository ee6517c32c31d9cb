"""Write to Redis: set, delete, count, invalidate. Each write ends the leases on its keys.

Invalidations are published to all processes besides. While a writer saves a row, the versions of its value's tags are
tracked here: the tags that its own save invalidates shall not keep the value from being stored.
"""

import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import msgspec

from cachecore import tags
from cachecore.batching import batched
from cachecore.redis_client import connections
from cachecore.redis_client.connections import RedisUnavailable
from cachecore.storage import leases
from cachecore.storage.leases import Args, ScriptCall

logger = logging.getLogger(__name__)

CHANNEL = "cache-invalidate"
VALUES_PER_CALL = 100

_encoder = msgspec.json.Encoder()
_tracked: ContextVar[tuple[dict[str, bytes], ...]] = ContextVar("tracked_tag_versions", default=())


class InvalidationMessage(msgspec.Struct, frozen=True, omit_defaults=True):
    """A message on CHANNEL: what is invalid from now on. It saves time; correctness does not depend on it."""

    keys: list[str]
    tags: list[str]
    prefixes: list[str] = []  # of families that were cleared


def tag_versions(names: Sequence[str]) -> dict[str, bytes]:
    """Return the current versions of canonical tags; create missing ones. Raises RedisUnavailable."""
    if not names:
        return {}
    args: Args = [tags.TAG_TTL_MS, *(tags.new_version() for _ in names)]
    with connections.guarded_client("cache") as client:
        return dict(zip(names, tags.read_versions(client, tags.version_keys(names), args), strict=True))


def write(values: Mapping[Any, tuple[bytes, int]], *, retry: bool = True) -> int:
    """Store (envelope, ttl_ms) or delete (b"", 0) each key. Return how many keys existed. Raises RedisUnavailable.

    The number is right only without `retry`: a write that is repeated finds what it has written itself.
    """
    return sum(run(leases.write(dict(chunk)), retry=retry) for chunk in batched(values.items(), VALUES_PER_CALL))


def invalidate(keys: Collection[str], names: Collection[str], *, retry: bool = True) -> int:
    """Delete keys, give canonical tags a new version and publish both. Return how many of the keys existed.

    One write per tag and one script per hundred keys. `retry` as in `write`. Raises RedisUnavailable.
    """
    if not keys and not names:
        return 0
    deleted = write(dict.fromkeys(keys, (b"", 0)), retry=retry)
    _bump_tag_versions(names)
    _publish(InvalidationMessage(sorted(map(str, keys)), sorted(names)))
    return deleted


def publish_cleared(prefixes: Sequence[str]) -> None:
    """Publish that everything under the prefixes was cleared."""
    _publish(InvalidationMessage([], [], list(prefixes)))


def parse_message(message: bytes) -> InvalidationMessage:
    """Parse a message on CHANNEL. Raises msgspec.DecodeError for one of another format."""
    return msgspec.json.decode(message, type=InvalidationMessage)


@contextmanager
def track_own_bumps(versions: dict[str, bytes]) -> Iterator[None]:
    """Keep `versions` (by tag) current with the tags that this thread or task invalidates within the block.

    A version that another caller has set in between is never taken for an own one: `record_bump` compares the version
    that the own bump replaced.
    """
    outer = _tracked.set((*_tracked.get(), versions))
    try:
        yield
    finally:
        _tracked.reset(outer)


def is_tracking() -> bool:
    """Return True within a `track_own_bumps` block of this thread or task."""
    return bool(_tracked.get())


def record_bump(tag: str, old: bytes | None, new: bytes) -> None:
    """Record that this thread or task has replaced a tag's version `old` by `new`, in one atomic step."""
    for versions in _tracked.get():
        if old is not None and versions.get(tag) == old:
            versions[tag] = new


def _bump_tag_versions(names: Collection[str]) -> None:
    """Write a new random version per tag."""
    bumped, tracking = {tag: tags.new_version() for tag in names}, is_tracking()
    with connections.guarded_client("cache") as client, client.pipeline(transaction=False) as pipeline:
        for version_key, version in zip(tags.version_keys(bumped), bumped.values(), strict=True):
            pipeline.set(version_key, version, px=tags.TAG_TTL_MS, get=tracking)
        replies = pipeline.execute()
    if tracking:
        for (tag, version), old in zip(bumped.items(), replies, strict=True):
            record_bump(tag, old, version)


def _publish(message: InvalidationMessage) -> None:
    """Publish on the state role, which all processes subscribe to. A failure is logged: the invalidation is done."""
    try:
        connections.execute("state", "PUBLISH", CHANNEL, _encoder.encode(message))
    except RedisUnavailable:
        return
    except Exception:
        logger.exception("An invalidation is done, but could not be published to the other processes.")


def run(call: ScriptCall, *, retry: bool = True) -> Any:
    """Run a lease script. Raises RedisUnavailable."""
    return call.script.execute(call.keys, call.args, retry=retry)
