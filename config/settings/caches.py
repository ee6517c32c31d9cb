"""The two Redis roles, as django-redis aliases. https://github.com/jazzband/django-redis

`default` (CACHE_URL) may evict: values that can be computed again. `state` (STATE_URL) must not:
the live view, versions, locks. One server may serve both; `cachecore.W001` warns when the state role
may evict.
"""

from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from config import sentinel
from config.env import env, number, numbers, redis_url, whole

CACHE_URL = redis_url("CACHE_URL")
STATE_URL = redis_url("STATE_URL")

# A Redis that does not answer must cost less than the database it relieves.
REDIS_CONNECT_TIMEOUT_SECONDS = number("REDIS_CONNECT_TIMEOUT_SECONDS", 0.25)
REDIS_TIMEOUT_SECONDS = number("REDIS_TIMEOUT_SECONDS", 0.25)
# After a failure no socket is touched for this long; then one caller probes.
REDIS_BREAKER_SECONDS = number("REDIS_BREAKER_SECONDS", 1.0)
# A connection that a restarted server dropped is made anew at once. redis-py's own default would sleep and try for
# seconds; whoever cannot wait 0.25 s for a cache does not want it to.
REDIS_RETRY = Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,))


def _redis_cache(url: str) -> dict[str, Any]:
    role = sentinel.watched(url)
    if role is None:
        return _plain_cache(url)
    cache, limits = (
        _plain_cache(role.url),
        {
            "socket_connect_timeout": REDIS_CONNECT_TIMEOUT_SECONDS,
            "socket_timeout": REDIS_TIMEOUT_SECONDS,
            "retry": REDIS_RETRY,
        },
    )
    cache["OPTIONS"] |= sentinel.options(role.sentinels, limits)
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

# Every process adds its counts of hits and misses to the totals in the state role this often; 0: never by itself.
CACHE_STATS_FLUSH_SECONDS = number("CACHE_STATS_FLUSH_SECONDS", 5.0, or_zero=True)
# After a new version so many of the URLs that were asked most are computed anew; 0: none.
CACHE_REWARM_TOP = whole("CACHE_REWARM_TOP", 50)
# Family -> seconds, within its tier's bounds (docs/cachecore.md); admin overrides it while the site runs.
CACHE_TTLS = numbers("CACHE_TTLS", int)
# Family -> the hit rate that its TTL is moved towards (cachecore/ttl/tuning.py). None is tuned unless named here.
CACHE_TUNING = numbers("CACHE_TUNING", float)
# Families whose answers are computed for every request (docs/api-caching.md names them); admin switches the others.
CACHE_RESPONSES_OFF = env.list("CACHE_RESPONSES_OFF", default=[])
# Fernet keys for values of sensitive families; the first encrypts, all decrypt, so that a key can be retired.
CACHE_ENCRYPTION_KEYS = env.list("CACHE_ENCRYPTION_KEYS", default=[])
