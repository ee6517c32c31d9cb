"""System checks of cachecore's settings, with stable ids."""

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
def check_state_role_does_not_evict(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Warn (cachecore.W001) if the state role's server may evict keys. Skip a server that does not say."""
    try:
        with connections.guarded_client("state") as client:
            policy = client.info("memory").get("maxmemory_policy", "noeviction")
    except connections.RedisUnavailable:
        return []
    if policy == "noeviction":
        return []
    return [
        CheckWarning(
            f"The state role's Redis may evict keys ({policy}): sessions, locks and the live view can be lost.",
            hint="Set maxmemory-policy noeviction on the server of STATE_URL, or give the state role one of its own.",
            id="cachecore.W001",
        )
    ]


@register(Tags.caches)
def check_ttls(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Report (cachecore.E001) a TTL outside its tier's bounds, which would make every read of the family fail."""
    return [Error(f"CACHE_TTLS: {reason}", id="cachecore.E001") for reason in _wrong_ttls()]


@register(Tags.caches)
def check_tuning_targets(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Report (cachecore.E002) a family that cannot be tuned, or a target that is no hit rate."""
    wrong = [*_wrong_targets(), *_unknown(conf.tuning_targets())]
    return [Error(f"CACHE_TUNING: {reason}", id="cachecore.E002") for reason in wrong]


@register(Tags.caches)
def check_encryption_keys(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Report (cachecore.E003) an invalid key, with which encrypted families could be neither stored nor read."""
    return [
        Error(
            f"CACHE_ENCRYPTION_KEYS: key number {number} is not a Fernet key.",
            hint="Create one with cryptography.fernet.Fernet.generate_key().",
            id="cachecore.E003",
        )
        for number, key in enumerate(conf.encryption_keys(), start=1)
        if not _is_fernet_key(key)
    ]


@register(Tags.caches)
def check_responses_off(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Report (cachecore.E004) an unknown family: a typo would leave a family's responses cached."""
    return [Error(f"CACHE_RESPONSES_OFF: {reason}", id="cachecore.E004") for reason in _unknown(conf.responses_off())]


@register(Tags.caches)
def check_key_prefixes(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Warn (cachecore.W002) about KEY_PREFIX and VERSION: two sites on one Redis database would still share values."""
    return [
        CheckWarning(
            f"CACHES[{alias!r}] sets {name}, which the cache service ignores.",
            hint="Give each site a Redis database of its own.",
            id="cachecore.W002",
        )
        for alias, config in settings.CACHES.items()
        for name in ("KEY_PREFIX", "VERSION")
        if config.get(name)
    ]


@register(Tags.caches)
def check_family_prefixes(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Report (cachecore.E005) two families of which clearing one would delete the other's keys."""
    return [
        Error(
            f"Clearing family {clearing.name} ({clearing.prefix}*) deletes keys of {other.name} ({other.pattern}).",
            hint="Change the patterns so that neither begins with the literal prefix of the other.",
            id="cachecore.E005",
        )
        for other, clearing in overlapping(list(keys.registry.values()))
    ]


@register(Tags.caches)
def check_backends(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Report (cachecore.E006) a role whose backend is not django-redis."""
    return [
        Error(
            f"CACHES[{alias!r}] uses {config['BACKEND']}, which cachecore does not support.",
            hint=f"Use {BACKEND}.",
            id="cachecore.E006",
        )
        for alias in _aliases()
        if (config := settings.CACHES[alias])["BACKEND"] != BACKEND
    ]


@register(Tags.caches)
def check_time_limits(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Warn (cachecore.W003) about missing time limits: callers would wait forever, or for redis-py's default of 5 s."""
    return [
        CheckWarning(
            f"CACHES[{alias!r}] does not set {' and '.join(missing)}: a Redis that hangs blocks callers.",
            hint='Set both in its OPTIONS, in seconds: "SOCKET_CONNECT_TIMEOUT": 0.25, "SOCKET_TIMEOUT": 0.25.',
            id="cachecore.W003",
        )
        for alias in _aliases()
        if settings.CACHES[alias]["BACKEND"] == BACKEND and (missing := _missing_limits(alias))
    ]


def overlapping(families: Sequence[Family]) -> Iterator[tuple[Family, Family]]:
    """Yield pairs of a family and a family of the cache role that deletes its keys when cleared."""
    for clearing in families:
        if clearing.role == "cache":
            for other in families:
                if other is not clearing and other.prefix.startswith(clearing.prefix):
                    yield other, clearing


def _aliases() -> list[str]:
    return list(dict.fromkeys(connections.alias_of(role) for role in get_args(Role)))


def _missing_limits(alias: str) -> list[str]:
    """Return the limits that are not set. The pool, which does not connect yet, has them from OPTIONS or the URL."""
    arguments = get_redis_connection(alias).connection_pool.connection_kwargs
    return [name for name in ("SOCKET_TIMEOUT", "SOCKET_CONNECT_TIMEOUT") if not arguments.get(name.lower())]


def _wrong_ttls() -> Iterator[str]:
    for name in conf.ttls():
        if _is_cached(name):
            try:
                effective_ttl.from_settings(keys.registry[name])
            except ValueError as error:
                yield str(error)
    yield from _unknown(conf.ttls())


def _wrong_targets() -> Iterator[str]:
    for name, target in conf.tuning_targets().items():
        if _is_cached(name) and not 0 < target < 1:
            yield f"the target of {name} must be above 0 and below 1, not {target}."


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
