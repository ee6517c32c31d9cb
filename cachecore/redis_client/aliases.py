"""The entry of Django's CACHES setting that serves a Redis role."""

from django.conf import settings
from django.core.cache import DEFAULT_CACHE_ALIAS

from cachecore.keys import Role

ALIASES: dict[Role, str] = {"cache": DEFAULT_CACHE_ALIAS, "state": "state"}


def alias_of(role: Role) -> str:
    """Return the role's alias in CACHES. The state role uses the cache role's server if it has no alias of its own."""
    alias = ALIASES[role]
    return alias if alias in settings.CACHES else DEFAULT_CACHE_ALIAS
