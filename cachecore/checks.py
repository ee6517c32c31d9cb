"""System checks with stable ids."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, get_args

from cryptography.fernet import Fernet
from django.apps.config import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.checks import Warning as CheckWarning
from django_redis import get_redis_connection

from cachecore import conf, keys
from cachecore.keys import Family, Role
from cachecore.redis_client import connections
from cachecore.ttl import effective_ttl

BACKEND = "django_redis.cache.RedisCache"


@register(Tags.caches, deploy=True)
def state_role_keeps_what_it_is_given(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """cachecore.W001: the state role may evict. Silent where the server does not answer or hides its settings."""
    try:
        with connections.guarded_client("state") as client:
            policy = client.info("memory").get("maxmemory_policy", "noeviction")
    except connections.RedisUnavailable:
        return []
    if policy == "noeviction":
        return []
    return [
        CheckWarning(
            f"The state Redis evicts ({policy}): sessions, locks and the live view could vanish.",
            hint="Set maxmemory-policy noeviction on STATE_URL, or give the state role a server of its own.",
            id="cachecore.W001",
        )
    ]


@register(Tags.caches)
def ttls_fit_their_tiers(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """cachecore.E001: a TTL that would make every read of the family fail."""
    return [Error(f"CACHE_TTLS: {reason}", id="cachecore.E001") for reason in _wrong_ttls()]


@register(Tags.caches)
def targets_are_rates(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """cachecore.E002: a family that cannot be tuned, or not to such a hit rate."""
    wrong = [*_no_rates(), *_unknown(conf.tuning_targets())]
    return [Error(f"CACHE_TUNING: {reason}", id="cachecore.E002") for reason in wrong]


@register(Tags.caches)
def encryption_keys_are_keys(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """cachecore.E003: a sensitive family could be neither stored nor read."""
    return [
        Error(f"CACHE_ENCRYPTION_KEYS: number {number} is no Fernet key.", id="cachecore.E003")
        for number, key in enumerate(conf.encryption_keys(), start=1)
        if not _is_fernet_key(key)
    ]


@register(Tags.caches)
def switched_off_are_answers(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """cachecore.E004: a typo would leave the answers on that were to be off."""
    return [Error(f"CACHE_RESPONSES_OFF: {reason}", id="cachecore.E004") for reason in _unknown(conf.responses_off())]


@register(Tags.caches)
def keys_are_taken_literally(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """cachecore.W002: two sites on one Redis database would share their values in spite of KEY_PREFIX."""
    return [
        CheckWarning(
            f"CACHES[{alias!r}] has {name}, which the cache service does not heed.",
            hint="Give each site a Redis database of its own.",
            id="cachecore.W002",
        )
        for alias, told in settings.CACHES.items()
        for name in ("KEY_PREFIX", "VERSION")
        if told.get(name)
    ]


@register(Tags.caches)
def families_keep_apart(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """cachecore.E005: to clear the one would delete the other's keys, and their keys may be equal."""
    return [
        Error(
            f"Clearing family {clearing.name} ({clearing.prefix}*) deletes keys of {other.name} ({other.pattern}).",
            hint="Let the patterns begin with texts of which none begins with the other.",
            id="cachecore.E005",
        )
        for other, clearing in overlapping(list(keys.registry.values()))
    ]


@register(Tags.caches)
def caches_are_django_redis(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """cachecore.E006: a backend that has no Redis connection to give."""
    return [
        Error(
            f"CACHES[{alias!r}] is a {told['BACKEND']}, which cachecore cannot work on.",
            hint=f"Use {BACKEND}.",
            id="cachecore.E006",
        )
        for alias in _aliases()
        if (told := settings.CACHES[alias])["BACKEND"] != BACKEND
    ]


@register(Tags.caches)
def a_redis_that_hangs_is_not_waited_for(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """cachecore.W003: without a limit a caller waits for ever, or for what redis-py's release takes for one (5 s)."""
    return [
        CheckWarning(
            f"CACHES[{alias!r}] has no {' and '.join(missing)}: a Redis that hangs hangs its callers.",
            hint='Set them in its OPTIONS, in seconds: "SOCKET_CONNECT_TIMEOUT": 0.25, "SOCKET_TIMEOUT": 0.25.',
            id="cachecore.W003",
        )
        for alias in _aliases()
        if settings.CACHES[alias]["BACKEND"] == BACKEND and (missing := _missing_limits(alias))
    ]


def overlapping(families: Sequence[Family]) -> Iterator[tuple[Family, Family]]:
    """(a family, one of the cache role that deletes its keys when it is cleared)."""
    for clearing in families:
        if clearing.role == "cache":
            for other in families:
                if other is not clearing and other.prefix.startswith(clearing.prefix):
                    yield other, clearing


def _aliases() -> list[str]:
    return list(dict.fromkeys(connections.alias_of(role) for role in get_args(Role)))


def _missing_limits(alias: str) -> list[str]:
    """Asked of the pool, which connects to nobody: they may stand in OPTIONS, in its pool's arguments or in the URL."""
    given = get_redis_connection(alias).connection_pool.connection_kwargs
    return [name for name in ("SOCKET_TIMEOUT", "SOCKET_CONNECT_TIMEOUT") if not given.get(name.lower())]


def _wrong_ttls() -> Iterator[str]:
    for name in conf.ttls():
        if _is_cached(name):
            try:
                effective_ttl.from_settings(keys.registry[name])
            except ValueError as error:
                yield str(error)
    yield from _unknown(conf.ttls())


def _no_rates() -> Iterator[str]:
    for name, target in conf.tuning_targets().items():
        if _is_cached(name) and not 0 < target < 1:
            yield f"the target of {name} is {target}; a hit rate lies between 0 and 1."


def _unknown(names: Iterable[str]) -> Iterator[str]:
    return (f'there is no cached family "{name}".' for name in names if not _is_cached(name))


def _is_cached(name: str) -> bool:
    family = keys.registry.get(name)
    return family is not None and family.role == "cache"


def _is_fernet_key(key: str) -> bool:
    try:
        Fernet(key)
    except ValueError:
        return False
    return True
