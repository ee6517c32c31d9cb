"""The project's settings with the URLs of `plain_urls`, and with a cache that can store a pickled HttpResponse."""

from config.settings.local import *  # noqa: F403

ROOT_URLCONF = "benchmarks.hits_apps.plain_urls"

# django-redis as in its documentation, because `cache_page` stores responses, which JSON cannot represent.
CACHES["pages"] = {  # noqa: F405
    "BACKEND": "django_redis.cache.RedisCache",
    "LOCATION": CACHES["default"]["LOCATION"],  # noqa: F405
    "KEY_PREFIX": "pages",
}
