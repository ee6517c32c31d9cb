"""The two Redis roles, as django-redis aliases. https://github.com/jazzband/django-redis

`default` (CACHE_URL) may evict its keys: they hold values that can be computed again. `state` (STATE_URL) must not
evict: it holds the live view, versions and locks. One server may serve both roles; `cachecore.W001` warns if the
server of the state role may evict.
"""

from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from config import sentinel
from config.env import env, integer, number_mapping, positive_number, redis_url

CACHE_URL = redis_url("CACHE_URL")
STATE_URL = redis_url("STATE_URL")

# Waiting for an unavailable Redis must take less time than the database queries that the cache saves.
REDIS_CONNECT_TIMEOUT_SECONDS = positive_number("REDIS_CONNECT_TIMEOUT_SECONDS", 0.25)
REDIS_TIMEOUT_SECONDS = positive_number("REDIS_TIMEOUT_SECONDS", 0.25)
# After a failure no socket is touched for this long; then one caller probes.
REDIS_BREAKER_SECONDS = positive_number("REDIS_BREAKER_SECONDS", 1.0)
# A connection that a restarted server dropped is reopened at once. redis-py's own default would sleep and retry for
# seconds, far longer than the time limits above.
REDIS_RETRY = Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,))


def _redis_cache(url: str) -> dict[str, Any]:
    role = sentinel.parse_sentinel_url(url)
    if role is None:
        return _plain_cache(url)
    cache = _plain_cache(role.url)
    limits = {
        "socket_connect_timeout": REDIS_CONNECT_TIMEOUT_SECONDS,
        "socket_timeout": REDIS_TIMEOUT_SECONDS,
        "retry": REDIS_RETRY,
    }
    cache["OPTIONS"] |= sentinel.cache_options(role.sentinels, limits)
    return cache


def _plain_cache(url: str) -> dict[str, Any]:
    return {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": url,
        "KEY_FUNCTION": "cachecore.keys.literal_key",  # keys are exactly what cachecore/keys.py prints
        "OPTIONS": {
            "SOCKET_CONNECT_TIMEOUT": REDIS_CONNECT_TIMEOUT_SECONDS,
            "SOCKET_TIMEOUT": REDIS_TIMEOUT_SECONDS,
            "CONNECTION_POOL_KWARGS": {"retry": REDIS_RETRY},
            "SERIALIZER": "django_redis.serializers.json.JSONSerializer",  # never pickle from a network
        },
    }


CACHES = {"default": _redis_cache(CACHE_URL), "state": _redis_cache(STATE_URL)}

# Seconds between two flushes of a process's hit and miss counts to the totals in the state role; 0: no flushes.
CACHE_STATS_FLUSH_SECONDS = positive_number("CACHE_STATS_FLUSH_SECONDS", 5.0, allow_zero=True)
# The number of most requested URLs that are recomputed after a new version; 0: none.
CACHE_REWARM_TOP = integer("CACHE_REWARM_TOP", 50)
# Family -> seconds, within its tier's bounds (docs/cachecore.md); admin overrides it while the site runs.
CACHE_TTLS = number_mapping("CACHE_TTLS", int)
# Family -> target hit rate of its TTL (cachecore/ttl/tuning.py). Families that are not named here are not tuned.
CACHE_TUNING = number_mapping("CACHE_TUNING", float)
# Families whose responses are never cached (docs/api-caching.md names them). The admin can switch off others.
CACHE_RESPONSES_OFF = env.list("CACHE_RESPONSES_OFF", default=[])
# Fernet keys for values of encrypted families. The first encrypts and all decrypt, so that keys can be rotated.
CACHE_ENCRYPTION_KEYS = env.list("CACHE_ENCRYPTION_KEYS", default=[])
