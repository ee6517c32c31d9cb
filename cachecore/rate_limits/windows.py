"""The two windows of the `limits` library, each asked in one round trip.

Its storage class would ask twice (take a slot, then look at the window), on the caller's clock, on connections that
our breaker does not know. So the scripts are the library's, joined to one, and the connections are ours.
Source of the arithmetic: limits.strategies, whose answers the tests hold these equal to.
"""

import hashlib
from math import ceil
from pathlib import Path
from typing import Any, NamedTuple

from limits import RateLimitItem
from limits.storage import RedisStorage

from cachecore.keys import Family
from cachecore.redis_client.scripts import Script

# Scope and identity are the hash tag: a window's keys lie in one slot of a cluster.
RATE_COUNTER = Family(
    name="rate-counter",
    pattern="rate:{{{scope}:{identity}}}:{rate}:{window}",
    role="state",
    type="string",
    ttl_seconds=None,
    holds="requests let through in the current or the previous window",
    written_by="cachecore.rate_limits.windows.take_in_sliding_window",
    purged_by="its TTL",
    bounded_by="its TTL of two windows, which every write sets",
)
RATE_LOG = Family(
    name="rate-log",
    pattern="rate:{{{scope}:{identity}}}:{rate}:log",
    role="state",
    type="list",
    ttl_seconds=None,
    holds="unix seconds of the requests let through, newest first, at most as many as the limit",
    written_by="cachecore.rate_limits.windows.take_in_moving_window",
    purged_by="its TTL",
    bounded_by="its TTL of one window, which every write sets",
)

SERVER_TIME = ""
_LUA = Path(__file__).parent / "lua"


class Quota(NamedTuple):
    """What a request learns of its limit. `next_ms`: at its end one more slot is free than there is now."""

    allowed: bool
    limit: int
    remaining: int
    next_ms: float

    @property
    def next_seconds(self) -> int:
        """Whole seconds after which a refused caller succeeds; at least 1."""
        return max(1, ceil(self.next_ms / 1000))


class JoinedScript(Script):
    """A script of ours behind two of the library's, which it calls as functions."""

    def __init__(self, path: Path, *, acquire: bytes, look: bytes) -> None:
        super().__init__(path)
        functions = [
            f"local function {name}(KEYS, ARGV)\n{body.decode()}\nend\n"
            for name, body in (("acquire", acquire), ("look", look))
        ]
        self._source = "".join([*functions, self._source])
        self._sha = hashlib.sha1(self._source.encode(), usedforsecurity=False).hexdigest()


_sliding = JoinedScript(
    _LUA / "take_in_sliding_window.lua",
    acquire=RedisStorage.SCRIPT_ACQUIRE_SLIDING_WINDOW,
    look=RedisStorage.SCRIPT_SLIDING_WINDOW,
)
_moving = JoinedScript(
    _LUA / "take_in_moving_window.lua",
    acquire=RedisStorage.SCRIPT_ACQUIRE_MOVING_WINDOW,
    look=RedisStorage.SCRIPT_MOVING_WINDOW,
)


def take_in_sliding_window(client: Any, rate: RateLimitItem, scope: str, identity: str) -> Quota:
    """Two counters, whatever the limit; what was let through before is taken to have come evenly.

    Time is the server's: it is the TTL of the counters.
    """
    keys = [
        RATE_COUNTER.key(scope=scope, identity=identity, rate=_name(rate), window=window)
        for window in ("previous", "current")
    ]
    reply = _sliding(client, keys, [rate.amount, rate.get_expiry()])
    return sliding_quota(rate, *reply)


def take_in_moving_window(
    client: Any, rate: RateLimitItem, scope: str, identity: str, *, now: float | str = SERVER_TIME
) -> Quota:
    """Exact: never more than the limit in any window, at one list entry per request."""
    key = RATE_LOG.key(scope=scope, identity=identity, rate=_name(rate))
    taken, used, next_ms = _moving(client, [key], [rate.amount, rate.get_expiry(), str(now)])
    return Quota(taken == 1, rate.amount, max(0, rate.amount - used), next_ms)


def sliding_quota(
    rate: RateLimitItem, taken: int, previous: int, previous_ttl_ms: int, current: int, current_ttl_ms: int
) -> Quota:
    window_ms = rate.get_expiry() * 1000
    used = previous * max(0, previous_ttl_ms) // window_ms + current
    frees_ms = []
    if previous:  # its weight falls by one
        frees_ms.append(max(0, previous_ttl_ms) % (window_ms / previous))
    if current:  # the window ends, and its own weight begins to fall
        frees_ms.append(max(0, current_ttl_ms - window_ms))
    return Quota(taken == 1, rate.amount, max(0, rate.amount - used), min(frees_ms, default=0))


def _name(rate: RateLimitItem) -> str:
    """A changed rate begins with empty windows of its own."""
    return f"{rate.amount}/{rate.get_expiry()}s"
