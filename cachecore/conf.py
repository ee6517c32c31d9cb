"""The settings of the cache service. They are read only here, at the moment of use; docs/cachecore.md lists them."""

from collections.abc import Collection, Mapping, Sequence

from django.conf import settings

from cachecore.keys import Family

SERVER_TICK_SECONDS = 0.1  # an idle server (`hz` 10) ends a blocking wait this much late


def ttls() -> Mapping[str, int]:
    """Return the TTLs in seconds, by family name, that replace the families' own."""
    return getattr(settings, "CACHE_TTLS", {})


def tuning_targets() -> Mapping[str, float]:
    """Return the target hit rates, by family name, that TTLs are moved towards."""
    return getattr(settings, "CACHE_TUNING", {})


def encryption_keys() -> Sequence[str]:
    """Return the Fernet keys for encrypted families. The first one encrypts, all decrypt."""
    return tuple(getattr(settings, "CACHE_ENCRYPTION_KEYS", ()))


def lease_seconds(family: Family) -> float:
    """Return the TTL of a lease: how long a holder that died delays the others."""
    return family.options.lease_seconds or float(getattr(settings, "CACHE_LEASE_SECONDS", 5.0))


def local_bytes() -> int:
    """Return the bound of the local cache (L1) of one process."""
    return int(getattr(settings, "CACHE_LOCAL_BYTES", 32 * 1024 * 1024))


def local_seconds() -> float:
    """Return the maximum age of the last validation of a value that the local cache serves."""
    return float(getattr(settings, "CACHE_LOCAL_SECONDS", 1.0))


def refresh_threads() -> int:
    """Return the number of threads of a process for factories in the background or under a time limit."""
    return int(getattr(settings, "CACHE_REFRESH_THREADS", 8))


def wait_slice_seconds() -> float:
    """Return the duration of one blocking wait: half of the socket's time limit, minus the server's lateness.

    The other half is for the reply: a hung server is noticed as in any other call, a slow one not mistaken for it.
    """
    return max(timeout_seconds() / 2 - SERVER_TICK_SECONDS, 0.001)


def timeout_seconds() -> float:
    """Return the time limit of one command. A hung Redis must cost less than the cache saves."""
    return float(getattr(settings, "REDIS_TIMEOUT_SECONDS", 0.25))


def connect_timeout_seconds() -> float:
    """Return the time limit of connecting."""
    return float(getattr(settings, "REDIS_CONNECT_TIMEOUT_SECONDS", 0.25))


def breaker_seconds() -> float:
    """Return how long the circuit breaker stays open after a failure. Then one caller probes."""
    return float(getattr(settings, "REDIS_BREAKER_SECONDS", 1.0))


def stats_flush_seconds() -> float:
    """Return the interval at which a process adds its counts to the totals; 0: only when called."""
    return float(getattr(settings, "CACHE_STATS_FLUSH_SECONDS", 5.0))


def rewarm_top() -> int:
    """Return how many of the most requested URLs are recomputed after a new version."""
    return int(getattr(settings, "CACHE_REWARM_TOP", 50))


def responses_off() -> Sequence[str]:
    """Return the families whose responses are not cached."""
    return tuple(getattr(settings, "CACHE_RESPONSES_OFF", ()))


def rate_limits() -> Mapping[str, str]:
    """Return the rate limits (`100/minute`) by scope. Other scopes are not limited."""
    return getattr(settings, "RATE_LIMITS", {}) if getattr(settings, "ENABLE_REDIS_RATE_LIMITING", True) else {}


def rate_limits_exact() -> Collection[str]:
    """Return the scopes that record the time of each request, instead of counts in two windows."""
    return getattr(settings, "RATE_LIMIT_EXACT", ())


def rate_limits_fail_closed() -> Collection[str]:
    """Return the scopes whose requests are refused while Redis is unavailable."""
    return getattr(settings, "RATE_LIMIT_FAIL_CLOSED", ())
