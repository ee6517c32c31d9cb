"""The settings of the cache service, read in this one place at the moment of use (docs/cachecore.md lists them)."""

from collections.abc import Collection, Mapping, Sequence

from django.conf import settings

from cachecore.keys import Family

SERVER_TICK_SECONDS = 0.1  # an idle server (`hz` 10) ends a blocking wait so much late


def ttls() -> Mapping[str, int]:
    """Seconds by family name, instead of the family's own."""
    return getattr(settings, "CACHE_TTLS", {})


def tuning_targets() -> Mapping[str, float]:
    """Hit rates by family name, that TTLs are moved towards."""
    return getattr(settings, "CACHE_TUNING", {})


def encryption_keys() -> Sequence[str]:
    """Fernet keys for sensitive families; the first encrypts, all decrypt."""
    return tuple(getattr(settings, "CACHE_ENCRYPTION_KEYS", ()))


def lease_seconds(family: Family) -> float:
    """How long a holder that died delays the others."""
    return family.options.lease_seconds or float(getattr(settings, "CACHE_LEASE_SECONDS", 5.0))


def local_bytes() -> int:
    """The bound of the memory of one process (L1)."""
    return int(getattr(settings, "CACHE_LOCAL_BYTES", 32 * 1024 * 1024))


def local_seconds() -> float:
    """A value from the process's memory was verified less than this long ago."""
    return float(getattr(settings, "CACHE_LOCAL_SECONDS", 1.0))


def refresh_threads() -> int:
    """Threads of a process for factories that run in the background or under a time limit."""
    return int(getattr(settings, "CACHE_REFRESH_THREADS", 8))


def wait_slice_seconds() -> float:
    """One blocking wait: it ends within half of the socket's time limit, however late the server is with it. The other
    half is the reply's, so that a hung server is noticed as always and a slow one is not taken for it."""
    return max(timeout_seconds() / 2 - SERVER_TICK_SECONDS, 0.001)


def timeout_seconds() -> float:
    """What one command may take. A hung Redis must cost less than what the cache spares."""
    return float(getattr(settings, "REDIS_TIMEOUT_SECONDS", 0.25))


def connect_timeout_seconds() -> float:
    return float(getattr(settings, "REDIS_CONNECT_TIMEOUT_SECONDS", 0.25))


def breaker_seconds() -> float:
    """After a failure no socket is touched for this long; then one caller probes."""
    return float(getattr(settings, "REDIS_BREAKER_SECONDS", 1.0))


def stats_flush_seconds() -> float:
    """How often a process adds its counts to the totals; 0: by hand only."""
    return float(getattr(settings, "CACHE_STATS_FLUSH_SECONDS", 5.0))


def rewarm_top() -> int:
    """So many of the URLs that were asked most are computed anew after a new version."""
    return int(getattr(settings, "CACHE_REWARM_TOP", 50))


def responses_off() -> Sequence[str]:
    """Families whose answers are computed for every request."""
    return tuple(getattr(settings, "CACHE_RESPONSES_OFF", ()))


def rate_limits() -> Mapping[str, str]:
    """`100/minute` by scope; a scope that is not named is not limited."""
    return getattr(settings, "RATE_LIMITS", {}) if getattr(settings, "ENABLE_REDIS_RATE_LIMITING", True) else {}


def rate_limits_exact() -> Collection[str]:
    """Scopes that count each request's moment, not those of two windows."""
    return getattr(settings, "RATE_LIMIT_EXACT", ())


def rate_limits_fail_closed() -> Collection[str]:
    """Scopes that are refused while the limits cannot be read."""
    return getattr(settings, "RATE_LIMIT_FAIL_CLOSED", ())
