"""Operations on the cache role, for operators: by API or admin page, on names only, each logged with its user."""

import logging

import kombu
from django.contrib.admin.models import DELETION
from django.contrib.auth.models import AbstractUser

from cachecore import keys, tags, tasks, versions
from cachecore.keys import Family
from cachecore.models import Cache
from cachecore.operations_admin import log_action
from cachecore.redis_client import connections
from cachecore.responses import caching, switches
from cachecore.service import cache
from cachecore.storage import clearing
from cachecore.tasks import TaskNotQueued
from cachecore.ttl import effective_ttl

logger = logging.getLogger(__name__)

ALL = "all"
MAX_ECHOED_LENGTH = 100  # characters of an unknown name that an error message repeats


class UnknownName(LookupError):
    """There is no family, tag or namespace of the given name. The message is suitable for the caller."""

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(f'There is no {kind} "{name[:MAX_ECHOED_LENGTH]}".')


def clearable_families() -> dict[str, Family]:
    """Return the families of the cache role by name. Data of the state role cannot be computed again."""
    return {family.name: family for family in keys.registry.values() if family.role == "cache"}


def families_with_ttl() -> dict[str, Family]:
    """Return the families whose TTL an operator may change, by name."""
    return {name: family for name, family in clearable_families().items() if family.options.tier or family.ttl_seconds}


def clear(family_name: str | None, by: AbstractUser) -> int:
    """Delete a family's keys, or those of every family of the cache role. Return how many were deleted.

    Raises UnknownName, RedisUnavailable.
    """
    families = clearable_families()
    if family_name is not None and family_name not in families:
        raise UnknownName("cached family", family_name)
    chosen = list(families.values()) if family_name is None else [families[family_name]]
    cleared = sum(clearing.clear_family(family) for family in chosen)
    log_action(Cache, by, family_name or ALL, f"Cleared {cleared} keys of {family_name or 'every family'}.", DELETION)
    return cleared


def invalidate_tag_or_namespace(tag: str, by: AbstractUser) -> int | str:
    """Invalidate every value with a tag. Return the new version: a namespace's number, or another tag's random hex.

    Raises UnknownName, RedisUnavailable.
    """
    version = clearing.raise_namespace_version(tag) if tag in versions.namespaces else _invalidated(tag)
    if version is None:
        raise UnknownName("tag", tag)
    log_action(Cache, by, tag, f"Raised tag {tag} to version {version}.")
    return version


def switch(family_name: str, by: AbstractUser, *, on: bool) -> None:
    """Switch the caching of a family's responses on or off. Raises UnknownName, RedisUnavailable."""
    if (policy := caching.policies.get(family_name)) is None:
        raise UnknownName("family of responses", family_name)
    switches.switch(policy.family, on=on)
    log_action(Cache, by, family_name, f"Switched the caching of {family_name} {'on' if on else 'off'}.")


def set_ttl(family_name: str, by: AbstractUser, seconds: int | None) -> None:
    """Set the TTL of a family's future values; None: use the settings again.

    Raises UnknownName, RedisUnavailable. Raises ValueError if the TTL is outside its tier's bounds.
    """
    if (family := families_with_ttl().get(family_name)) is None:
        raise UnknownName("family with a TTL", family_name)
    if seconds is None:
        effective_ttl.unset_ttl(family)
        log_action(Cache, by, family_name, f"Reset the TTL of {family_name} to the settings.")
    else:
        effective_ttl.set_ttl(family, seconds)
        log_action(Cache, by, family_name, f"Set the TTL of {family_name} to {seconds} s.")


def warm(by: AbstractUser) -> None:
    """Queue a warming run, unless one is in progress when it starts. Raises TaskNotQueued."""
    try:
        tasks.warm.delay()
    except (kombu.exceptions.OperationalError, OSError) as error:
        raise TaskNotQueued(type(error).__name__) from error
    log_action(Cache, by, ALL, "Queued a warming run.")


def _invalidated(tag: str) -> str | None:
    """Invalidate a tag of the cache service. Return its new version, or None if no value has the tag."""
    (key,) = tags.version_keys(tags.canonical([tag]))
    with connections.guarded_client("cache") as client:
        if not client.exists(key):
            return None
    cache.invalidate_tag(tag)
    with connections.guarded_client("cache") as client:
        version: bytes = client.get(key) or b""
    return version.hex()
