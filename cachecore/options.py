"""The settings of the cache service, read in this one place at the moment of use (docs/cachecore.md lists them)."""

from collections.abc import Mapping, Sequence

from django.conf import settings

from cachecore.keys import Family

SERVER_TICK_SECONDS = 0.1  # an idle server (`hz` 10) ends a blocking wait so much late


def ttls() -> Mapping[str, int]:
    """Seconds by family name, instead of the family's own."""
    return getattr(settings, "CACHE_TTLS", {})


def encryption_keys() -> Sequence[str]:
    """Fernet keys for sensitive families; the first encrypts, all decrypt."""
    return tuple(getattr(settings, "CACHE_ENCRYPTION_KEYS", ()))


def lease_seconds(family: Family) -> float:
    """How long a holder that died delays the others."""
    return family.options.lease or float(getattr(settings, "CACHE_LEASE_SECONDS", 5.0))


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
    return max(float(settings.REDIS_TIMEOUT_SECONDS) / 2 - SERVER_TICK_SECONDS, 0.001)
