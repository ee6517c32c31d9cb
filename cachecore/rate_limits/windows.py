"""The two windows of the `limits` library, a sliding window counter and an exact moving window, in one round trip each.

The library's storage class takes two round trips (take a slot, then read the window), uses the caller's clock, and its
connections bypass our circuit breaker. So the library's scripts are joined to one of ours, on our connections. A script
is sent once, because a repeated one would take two slots for one request.
Source of the arithmetic: limits.strategies; the tests compare the results with the library's.
"""

import hashlib
from math import ceil
from pathlib import Path
from typing import Any, NamedTuple

from limits import RateLimitItem
from limits.storage import RedisStorage

from cachecore.keys import Family
from cachecore.redis_client.scripts import Script

# Scope and identity are the hash tag, so that a window's keys lie in one slot of a Redis Cluster.
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
    """The state of a caller's limit after a request. After `next_ms` milliseconds one more slot is free."""

    allowed: bool
    limit: int
    remaining: int
    next_ms: float

    @property
    def next_seconds(self) -> int:
        """The whole seconds, at least 1, after which a refused caller succeeds."""
        return max(1, ceil(self.next_ms / 1000))


class JoinedScript(Script):
    """A script that calls two of the library's scripts as Lua functions."""

    def __init__(self, path: Path, *, acquire: bytes, read_window: bytes) -> None:
        super().__init__(path)
        functions = [
            f"local function {name}(KEYS, ARGV)\n{body.decode()}\nend\n"
            for name, body in (("acquire", acquire), ("read_window", read_window))
        ]
        self._source = "".join([*functions, self._source])
        self._sha = hashlib.sha1(self._source.encode(), usedforsecurity=False).hexdigest()


_sliding = JoinedScript(
    _LUA / "take_in_sliding_window.lua",
    acquire=RedisStorage.SCRIPT_ACQUIRE_SLIDING_WINDOW,
    read_window=RedisStorage.SCRIPT_SLIDING_WINDOW,
)
_moving = JoinedScript(
    _LUA / "take_in_moving_window.lua",
    acquire=RedisStorage.SCRIPT_ACQUIRE_MOVING_WINDOW,
    read_window=RedisStorage.SCRIPT_MOVING_WINDOW,
)


def take_in_sliding_window(client: Any, rate: RateLimitItem, scope: str, identity: str) -> Quota:
    """Take a slot in two counters, whatever the limit. The previous window's requests count as evenly distributed.

    The clock is the server's: times are derived from the counters' TTLs.
    """
    keys = [
        RATE_COUNTER.key(scope=scope, identity=identity, rate=_name(rate), window=window)
        for window in ("previous", "current")
    ]
    reply = _sliding.run_once(client, keys, [rate.amount, rate.get_expiry()])
    return sliding_quota(rate, *reply)


def take_in_moving_window(
    client: Any, rate: RateLimitItem, scope: str, identity: str, *, now: float | str = SERVER_TIME
) -> Quota:
    """Take a slot in an exact window: never more than the limit in any window, at one list entry per request."""
    key = RATE_LOG.key(scope=scope, identity=identity, rate=_name(rate))
    taken, used, next_ms = _moving.run_once(client, [key], [rate.amount, rate.get_expiry(), str(now)])
    return Quota(taken == 1, rate.amount, max(0, rate.amount - used), next_ms)


def sliding_quota(
    rate: RateLimitItem, taken: int, previous: int, previous_ttl_ms: int, current: int, current_ttl_ms: int
) -> Quota:
    """Compute the quota from the two counters and their TTLs, as the library does."""
    window_ms = rate.get_expiry() * 1000
    used = previous * max(0, previous_ttl_ms) // window_ms + current
    frees_ms = []
    if previous:  # when its weighted count falls by one
        frees_ms.append(max(0, previous_ttl_ms) % (window_ms / previous))
    if current:  # when the window ends and its weight begins to fall
        frees_ms.append(max(0, current_ttl_ms - window_ms))
    return Quota(taken == 1, rate.amount, max(0, rate.amount - used), min(frees_ms, default=0))


def _name(rate: RateLimitItem) -> str:
    """Return the rate's part of the key. A changed rate starts with empty windows."""
    return f"{rate.amount}/{rate.get_expiry()}s"
