"""Writing: set, delete, count, invalidate. Whatever is written ends the leases on it and is told to the processes."""

import logging
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec

from cachecore import tags
from cachecore.batching import batched
from cachecore.redis_client import connections
from cachecore.redis_client.connections import RedisUnavailable
from cachecore.storage import claims, leases
from cachecore.storage.leases import Args, Call

logger = logging.getLogger(__name__)

CHANNEL = "cache-invalidate"
VALUES_PER_CALL = 100

_encoder = msgspec.json.Encoder()


class InvalidationMessage(msgspec.Struct, frozen=True, omit_defaults=True):
    """The message on CHANNEL: what is invalid from now on. It hastens; nothing depends on it."""

    keys: list[str]
    tags: list[str]
    prefixes: list[str] = []  # of families that were cleared


def tag_versions(names: Sequence[str]) -> dict[str, bytes]:
    """As they are now, made where they are missing. Raises RedisUnavailable."""
    if not names:
        return {}
    args: Args = [tags.TAG_TTL_MS, *(tags.new_version() for _ in names)]
    with connections.guarded_client("cache") as client:
        return dict(zip(names, tags.read_versions(client, tags.keys(names), args), strict=True))


def write(values: Mapping[Any, tuple[bytes, int]]) -> int:
    """Store (envelope, ttl_ms) or delete (b"", 0); how many stood there. Raises RedisUnavailable."""
    return sum(run(leases.write(dict(chunk))) for chunk in batched(values.items(), VALUES_PER_CALL))


def invalidate(keys: Collection[str], names: Collection[str]) -> int:
    """One write a tag, one script a hundred keys; how many of the keys stood there. Raises RedisUnavailable."""
    if not keys and not names:
        return 0
    stood = write(dict.fromkeys(keys, (b"", 0)))
    _bump_tag_versions(names)
    _publish(InvalidationMessage(sorted(map(str, keys)), sorted(names)))
    return stood


def publish_cleared(prefixes: Sequence[str]) -> None:
    _publish(InvalidationMessage([], [], list(prefixes)))


def parse_message(message: bytes) -> InvalidationMessage:
    """A message on CHANNEL. Raises msgspec.DecodeError for one that is not ours."""
    return msgspec.json.decode(message, type=InvalidationMessage)


def _bump_tag_versions(names: Collection[str]) -> None:
    """A new version for each tag, whatever stands in its place."""
    changed, saving = {tag: tags.new_version() for tag in names}, claims.is_tracking()
    with connections.guarded_client("cache") as client, client.pipeline(transaction=False) as pipeline:
        for tag_key, version in zip(tags.keys(changed), changed.values(), strict=True):
            pipeline.set(tag_key, version, px=tags.TAG_TTL_MS, get=saving)
        before = pipeline.execute()
    if saving:
        for (tag, version), old in zip(changed.items(), before, strict=True):
            claims.record_bump(tag, old, version)


def _publish(word: InvalidationMessage) -> None:
    """Over the state role, where every process listens. What is invalid is so whether it is heard or not."""
    try:
        connections.execute("state", "PUBLISH", CHANNEL, _encoder.encode(word))
    except RedisUnavailable:
        return
    except Exception:
        logger.exception("an invalidation that is done could not be told")


def run(call: Call) -> Any:
    return call.script.execute(call.keys, call.args)
