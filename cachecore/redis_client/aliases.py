"""Which entry of CACHES a role is."""

from django.conf import settings
from django.core.cache import DEFAULT_CACHE_ALIAS

from cachecore.keys import Role

ALIASES: dict[Role, str] = {"cache": DEFAULT_CACHE_ALIAS, "state": "state"}


def alias_of(role: Role) -> str:
    """The name in CACHES. Without an alias of its own the state role is with the cache."""
    alias = ALIASES[role]
    return alias if alias in settings.CACHES else DEFAULT_CACHE_ALIAS
