"""Switch response caching off per family, by settings or at run time (a rollout, a rollback).

The set of families lies in the state role; each process follows it at most one second late. While Redis is unavailable
the last set read stays in force: nothing can be stored then anyway.
"""

from typing import Any

from cachecore import conf
from cachecore.keys import Family
from cachecore.redis_client import connections
from cachecore.redis_client.polled_value import PolledValue

SWITCHED_OFF = Family(
    name="switched-off",
    pattern="responses:switched_off",
    role="state",
    type="set",
    ttl_seconds=None,
    holds="names of the families whose responses are computed for every request",
    written_by="cachecore.responses.switches.switch",
    purged_by="cachecore.responses.switches.switch",
    bounded_by="the families with a response policy",
)


def is_off(family: Family) -> bool:
    """Return True if the family's responses must not be stored. Reads Redis at most once a second; never raises."""
    return family.name in _off.get()


def switched_off() -> frozenset[str]:
    """Return the names of the families switched off, as last read by this process."""
    return _off.peek()


def set_switched_off(members: set[bytes]) -> None:
    """Accept the set that the version watcher has read for its process."""
    _off.set(_with_settings(members))


def switch(family: Family, *, on: bool) -> None:
    """Switch a family on or off: in this process at once, in the others within a second. Raises RedisUnavailable."""
    with connections.guarded_client("state") as client:
        (client.srem if on else client.sadd)(SWITCHED_OFF.key(), family.name)
    _off.refresh()


def _read(client: Any) -> frozenset[str]:
    return _with_settings(client.smembers(SWITCHED_OFF.key()))


def _with_settings(members: set[bytes]) -> frozenset[str]:
    return frozenset({member.decode() for member in members} | set(conf.responses_off()))


_off: PolledValue[frozenset[str]] = PolledValue(_read, frozenset())
