"""Which answers are not kept now: switched off by settings, or while the site runs (a rollout, a rollback).

The set stands in the state role; each process knows it as it was less than a second ago. With Redis away the last
known set holds: nothing is kept then anyway.
"""

import time

from django.conf import settings

from cachecore import connections
from cachecore.connections import RoleUnavailable
from cachecore.keys import Family

SWITCHED_OFF = Family(
    name="switched-off",
    pattern="responses:switched_off",
    role="state",
    type="set",
    ttl_seconds=None,
    holds="names of families whose answers are computed for every request",
    written_by="cachecore.switches.switch",
    purged_by="cachecore.switches.switch",
    bounded_by="the families with a response policy",
)

TRUSTED_SECONDS = 1.0

_known: frozenset[str] = frozenset()
_known_at = float("-inf")


def is_off(family: Family) -> bool:
    """Asks Redis at most once a second; never raises."""
    if time.monotonic() - _known_at > TRUSTED_SECONDS:
        _look()
    return family.name in known()


def known() -> frozenset[str]:
    """As this process knows it, without asking."""
    return _known


def heard(members: set[bytes]) -> None:
    """What the state role holds (the version watcher reads it for its process)."""
    global _known, _known_at
    _known = frozenset({member.decode() for member in members} | set(settings.CACHE_RESPONSES_OFF))
    _known_at = time.monotonic()


def switch(family: Family, *, on: bool) -> None:
    """Acts in every process within a second, in this one at once. Raises RoleUnavailable."""
    with connections.use("state") as client:
        (client.srem if on else client.sadd)(SWITCHED_OFF.key(), family.name)
    _look()


def _look() -> None:
    try:
        with connections.use("state") as client:
            heard(client.smembers(SWITCHED_OFF.key()))
    except RoleUnavailable:
        return
