"""Namespace versions: the last part of every version-keyed key. Raising one turns a whole namespace into misses.

lua/versions/raise_version.lua says why a version is based on the server's time. Raising a version raises
RedisUnavailable, because only the caller knows what a lost invalidation would mean.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cachecore.clock import now_ms
from cachecore.keys import Family
from cachecore.redis_client import connections
from cachecore.redis_client.scripts import Script

NAMESPACE_VERSION = Family(
    name="namespace-version",
    pattern="version:{name}",
    role="state",
    type="string",
    ttl_seconds=None,
    holds="the version of a namespace, max(version + 1, server time in ms)",
    written_by="cachecore.versions.raise_version",
    purged_by="never; a lost one is replaced by a higher one",
    bounded_by="one key per namespace declared in code",
)
UPDATES_CHANNEL = "version_updates"
FOLLOWER_GRACE_MS = 10_000

_raise = Script(Path(__file__).parent / "lua/versions/raise_version.lua")


@dataclass(frozen=True, slots=True)
class Namespace:
    """A set of data that responses depend on. `key` has its version; a new one is published on `channel`.

    A namespace may follow another one that it is derived from: `analytics` follows `games`. Its version normally rises
    soon after the leader's. If it has not risen within FOLLOWER_GRACE_MS, the process that raises it is stuck, and its
    responses are keyed by the leader's version instead: a response from before the change is no longer found.
    """

    name: str
    key: str
    channel: str
    follows: "Namespace | None" = None

    def __post_init__(self) -> None:
        namespaces[self.name] = self

    def version(self, versions: Mapping[str, int | None], at_ms: int) -> int | None:
        """Return the version that responses are keyed by; None if no response may be cached.

        `versions` are those of all namespaces, by name.
        """
        own = versions.get(self.name)
        leader = versions.get(self.follows.name) if self.follows else None
        if leader is None or (own is not None and own >= leader) or at_ms - leader < FOLLOWER_GRACE_MS:
            return own
        return leader


namespaces: dict[str, Namespace] = {}


def namespace(name: str) -> Namespace:
    """Declare a namespace whose version cachecore stores."""
    return Namespace(name, NAMESPACE_VERSION.key(name=name), UPDATES_CHANNEL)


def raise_version(space: Namespace) -> int:
    """Raise and publish the version of a namespace; return the new one. Raises RedisUnavailable."""
    with connections.guarded_client("state") as client:
        return int(_raise(client, [space.key], [space.channel, space.name]))


def current(space: Namespace) -> int | None:
    """Return the version that responses are keyed by, from Redis; None if it was never raised or is lost.

    Raises RedisUnavailable.
    """
    spaces = [space, *([space.follows] if space.follows else [])]
    with connections.guarded_client("state") as client, client.pipeline(transaction=False) as pipeline:
        for one in spaces:
            pipeline.get(one.key)
        values = pipeline.execute()
    return space.version(parse(spaces, values), now_ms())


def parse(spaces: Iterable[Namespace], values: Iterable[bytes | None]) -> dict[str, int | None]:
    """Parse the values of the namespaces' keys into versions by name."""
    return {space.name: int(value) if value is not None else None for space, value in zip(spaces, values, strict=True)}
