"""System checks with stable ids."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from cryptography.fernet import Fernet
from django.apps.config import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.checks import Warning as CheckWarning

from cachecore import connections, keys, lifetimes, options, tuning


@register(Tags.caches, deploy=True)
def state_role_keeps_what_it_is_given(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """cachecore.W001: the state role may evict. Silent where the server does not answer or hides its settings."""
    try:
        with connections.use("state") as client:
            policy = client.info("memory").get("maxmemory_policy", "noeviction")
    except connections.RoleUnavailable:
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
    wrong = [*_no_rates(), *_unknown(tuning.targets())]
    return [Error(f"CACHE_TUNING: {reason}", id="cachecore.E002") for reason in wrong]


@register(Tags.caches)
def encryption_keys_are_keys(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """cachecore.E003: a sensitive family could be neither stored nor read."""
    return [
        Error(f"CACHE_ENCRYPTION_KEYS: number {number} is no Fernet key.", id="cachecore.E003")
        for number, key in enumerate(options.encryption_keys(), start=1)
        if not _is_fernet_key(key)
    ]


@register(Tags.caches)
def switched_off_are_answers(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """cachecore.E004: a typo would leave the answers on that were to be off."""
    return [
        Error(f"CACHE_RESPONSES_OFF: {reason}", id="cachecore.E004")
        for reason in _unknown(getattr(settings, "CACHE_RESPONSES_OFF", ()))
    ]


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


def _wrong_ttls() -> Iterator[str]:
    for name in options.ttls():
        if _is_cached(name):
            try:
                lifetimes.from_settings(keys.registry[name])
            except ValueError as error:
                yield str(error)
    yield from _unknown(options.ttls())


def _no_rates() -> Iterator[str]:
    for name, target in tuning.targets().items():
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
