"""Which answers are not kept now: switched off by settings, or while the site runs (a rollout, a rollback).

The set stands in the state role; each process knows it as it was less than a second ago. With Redis away the last
known set holds: nothing is kept then anyway.
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
    holds="names of families whose answers are computed for every request",
    written_by="cachecore.responses.switches.switch",
    purged_by="cachecore.responses.switches.switch",
    bounded_by="the families with a response policy",
)


def is_off(family: Family) -> bool:
    """Asks Redis at most once a second; never raises."""
    return family.name in _off.get()


def switched_off() -> frozenset[str]:
    """As this process knows it, without asking."""
    return _off.peek()


def set_switched_off(members: set[bytes]) -> None:
    """What the state role holds (the version watcher reads it for its process)."""
    _off.set(_with_settings(members))


def switch(family: Family, *, on: bool) -> None:
    """Acts in every process within a second, in this one at once. Raises RedisUnavailable."""
    with connections.guarded_client("state") as client:
        (client.srem if on else client.sadd)(SWITCHED_OFF.key(), family.name)
    _off.refresh()


def _read(client: Any) -> frozenset[str]:
    return _with_settings(client.smembers(SWITCHED_OFF.key()))


def _with_settings(members: set[bytes]) -> frozenset[str]:
    return frozenset({member.decode() for member in members} | set(conf.responses_off()))


_off: PolledValue[frozenset[str]] = PolledValue(_read, frozenset())
