"""Namespace versions: the last part of every version-keyed name. Raising one makes a whole namespace cold.

Source of the clock rule: lua/versions/raise_version.lua. Raising fails loudly (RoleUnavailable): whoever
raises decides what a lost invalidation means to it.
"""

from dataclasses import dataclass
from pathlib import Path

from cachecore import connections
from cachecore.keys import Family
from cachecore.scripts import Script

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


@dataclass(frozen=True, slots=True)
class Namespace:
    """What answers depend on. `key` holds the version; `channel` carries word of a new one."""

    name: str
    key: str
    channel: str

    def __post_init__(self) -> None:
        namespaces[self.name] = self


namespaces: dict[str, Namespace] = {}


def namespace(name: str) -> Namespace:
    """Declare a namespace whose version cachecore keeps."""
    return Namespace(name, NAMESPACE_VERSION.key(name=name), UPDATES_CHANNEL)


def raise_version(space: Namespace) -> int:
    with connections.use("state") as client:
        return int(_raise(client, [space.key], [space.channel, space.name]))


def current(space: Namespace) -> int | None:
    """The version as Redis has it now; None before the first and after a loss."""
    with connections.use("state") as client:
        value = client.get(space.key)
    return int(value) if value is not None else None
