"""The cache's admin page: statistics, and operations that require a permission and a confirmation."""

from collections.abc import Collection, Mapping
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest

from cachecore import operations, versions
from cachecore.keys import Family
from cachecore.models import Cache
from cachecore.operations import UnknownName
from cachecore.operations_admin import Operation, OperationsAdmin
from cachecore.redis_client.connections import RedisUnavailable
from cachecore.responses import caching, switches
from cachecore.stats import server_info, stats
from cachecore.stats.measures import Snapshot
from cachecore.tasks import TaskNotQueued
from cachecore.tiers import Tier
from cachecore.ttl import effective_ttl
from cachecore.ttl.effective_ttl import Lifetime


def _clear(name: str, by: Any) -> str:
    return f"Cleared {operations.clear(name, by):,} keys of {name}."


def _bump(name: str, by: Any) -> str:
    return f"Tag {name} is at version {operations.invalidate_tag_or_namespace(name, by)}."


def _off(name: str, by: Any) -> str:
    operations.switch(name, by, on=False)
    return f"Responses of {name} are computed for every request from now on."


def _on(name: str, by: Any) -> str:
    operations.switch(name, by, on=True)
    return f"Responses of {name} are cached from now on."


def _ttl(name: str, by: Any, seconds: int | None) -> str:
    operations.set_ttl(name, by, seconds)
    if seconds is None:
        return f"The TTL of {name} is taken from the settings."
    return f"Values of {name} stored from now on have a TTL of at most {seconds:,} s."


def _ttl_fields(name: str) -> Mapping[str, forms.Field]:
    tier = operations.families_with_ttl()[name].tier
    help_text = f"From {tier.least:,} to {tier.most:,}. Leave it empty to use the TTL from the settings."
    return {
        "seconds": forms.IntegerField(
            label="Seconds", help_text=help_text, min_value=tier.least, max_value=tier.most, required=False
        )
    }


def _warm(_: str, by: Any) -> str:
    operations.warm(by)
    return "A warming run is queued; a worker computes the standard responses."


OPERATIONS: Mapping[str, Operation] = {
    "clear": Operation(
        "Clear the family {name}?", "Its keys are deleted; its values are computed again by the next request.", _clear
    ),
    "bump": Operation(
        "Raise the version of {name}?", "Every value with this tag is invalidated at once, in all processes.", _bump
    ),
    "off": Operation(
        "Switch {name} off?", "Its responses are computed for every request until it is switched on again.", _off
    ),
    "on": Operation("Switch {name} on?", "Its responses are cached again.", _on),
    "ttl": Operation(
        "Change the TTL of {name}?",
        "Values that are stored already keep their TTL. Every process uses the new one within a second.",
        _ttl,
        _ttl_fields,
    ),
    "warm": Operation("Warm the cache?", "A worker computes the standard responses that are not cached.", _warm),
}


@admin.register(Cache)
class CacheAdmin(OperationsAdmin):
    page_title = "Cache: statistics and controls"
    page_template = "cachecore/overview.html"
    operations = OPERATIONS
    expected_errors = (UnknownName, TaskNotQueued, RedisUnavailable)

    def page_context(self, request: HttpRequest) -> dict[str, Any]:
        servers, snapshot = server_info.read_all_roles(), stats.snapshot()
        clearable = operations.clearable_families()
        return {
            "families": [(snapshot.family(name), name in clearable) for name in _family_names(snapshot, clearable)],
            "snapshot": snapshot,
            "servers": servers.values(),
            "status": server_info.status(servers),
            "lifetimes": [_lifetime(family) for _, family in sorted(operations.families_with_ttl().items())],
            "policies": [(name, name in switches.switched_off()) for name in sorted(caching.policies)],
            "versions": dict.fromkeys(versions.namespaces) | server_info.namespace_versions(),
        }

    def valid_names(self, verb: str) -> Collection[str]:
        return _names_by_verb(verb)


def _lifetime(family: Family) -> tuple[Family, Tier, Lifetime | None]:
    """Return a family's tier and TTL; the TTL is None if the settings give one outside the tier's bounds."""
    try:
        return family, family.tier, effective_ttl.lifetime_of(family)
    except ValueError:
        return family, family.tier, None


def _names_by_verb(verb: str) -> Mapping[str, object]:
    names: dict[str, Mapping[str, object]] = {
        "clear": operations.clearable_families(),
        "bump": versions.namespaces,
        "off": caching.policies,
        "on": caching.policies,
        "ttl": operations.families_with_ttl(),
        "warm": {operations.ALL: None},
    }
    return names[verb]


def _family_names(snapshot: Snapshot, clearable: Mapping[str, object]) -> list[str]:
    return sorted({family.family for family in snapshot.families} | clearable.keys())
