"""The project's settings, with the URLs of `plain_urls` and a cache that can hold a pickled HttpResponse."""

from config.settings.local import *  # noqa: F403

ROOT_URLCONF = "benchmarks.hits_apps.plain_urls"

# django-redis as its documentation sets it up: `cache_page` stores responses, which JSON cannot.
CACHES["pages"] = {  # noqa: F405
    "BACKEND": "django_redis.cache.RedisCache",
    "LOCATION": CACHES["default"]["LOCATION"],  # noqa: F405
    "KEY_PREFIX": "pages",
}
