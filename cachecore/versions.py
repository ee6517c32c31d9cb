"""Namespace versions: the last part of every version-keyed name. Raising one makes a whole namespace cold.

Source of the clock rule: lua/versions/raise_version.lua. Raising fails loudly (RedisUnavailable): whoever
raises decides what a lost invalidation means to it.
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
    purged_by="never; a lost one is made anew, higher",
    bounded_by="one key per namespace declared in code",
)
UPDATES_CHANNEL = "version_updates"

_raise = Script(Path(__file__).parent / "lua/versions/raise_version.lua")


FOLLOWER_GRACE_MS = 10_000


@dataclass(frozen=True, slots=True)
class Namespace:
    """What answers depend on. `key` holds the version; `channel` carries word of a new one.

    A namespace may follow another, of which it is made: `analytics` follows `games`. Its version rises soon after the
    leader's. When it has not for FOLLOWER_GRACE_MS, whoever raises it is stuck, and its answers hang on the leader's
    version instead: an answer from before the change is not found any more.
    """

    name: str
    key: str
    channel: str
    follows: "Namespace | None" = None

    def __post_init__(self) -> None:
        namespaces[self.name] = self

    def version(self, known: Mapping[str, int | None], at_ms: int) -> int | None:
        """The version that answers hang on, from the versions of all namespaces by name; None: keep no answer."""
        own = known.get(self.name)
        leader = known.get(self.follows.name) if self.follows else None
        if leader is None or (own is not None and own >= leader) or at_ms - leader < FOLLOWER_GRACE_MS:
            return own
        return leader


namespaces: dict[str, Namespace] = {}


def namespace(name: str) -> Namespace:
    """Declare a namespace whose version cachecore keeps."""
    return Namespace(name, NAMESPACE_VERSION.key(name=name), UPDATES_CHANNEL)


def raise_version(space: Namespace) -> int:
    with connections.guarded_client("state") as client:
        return int(_raise(client, [space.key], [space.channel, space.name]))


def current(space: Namespace) -> int | None:
    """The version that answers hang on, as Redis has it now; None before the first and after a loss."""
    asked = [space, *([space.follows] if space.follows else [])]
    with connections.guarded_client("state") as client, client.pipeline(transaction=False) as pipeline:
        for one in asked:
            pipeline.get(one.key)
        values = pipeline.execute()
    return space.version(parse(asked, values), now_ms())


def parse(spaces: Iterable[Namespace], values: Iterable[bytes | None]) -> dict[str, int | None]:
    """Replies to GET of their keys -> versions by name."""
    return {space.name: int(value) if value is not None else None for space, value in zip(spaces, values, strict=True)}
