"""The cache under /admin/: its numbers, and its buttons, each behind a permission and a question."""

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
    return f"Answers of {name} are computed for every request."


def _on(name: str, by: Any) -> str:
    operations.switch(name, by, on=True)
    return f"Answers of {name} are kept."


def _ttl(name: str, by: Any, seconds: int | None) -> str:
    operations.set_ttl(name, by, seconds)
    if seconds is None:
        return f"The TTL of {name} is as the settings say."
    return f"What is stored of {name} from now on lives {seconds:,} s at most."


def _ttl_fields(name: str) -> Mapping[str, forms.Field]:
    tier = operations.families_with_ttl()[name].tier
    told = f"{tier.least:,} to {tier.most:,}; empty: as the settings say."
    return {
        "seconds": forms.IntegerField(
            label="Seconds", help_text=told, min_value=tier.least, max_value=tier.most, required=False
        )
    }


def _warm(_: str, by: Any) -> str:
    operations.warm(by)
    return "A worker is asked to compute the standard answers."


QUESTIONS: Mapping[str, Operation] = {
    "clear": Operation(
        "Clear the family {name}?", "Its keys are deleted; answers are computed again when asked for.", _clear
    ),
    "bump": Operation("Raise the tag {name}?", "Everything that hangs on it is cold at once, in every process.", _bump),
    "off": Operation("Switch {name} off?", "Its answers are computed for every request until it is switched on.", _off),
    "on": Operation("Switch {name} on?", "Its answers are kept again.", _on),
    "ttl": Operation(
        "How long do values of {name} live?",
        "What is stored already keeps its TTL. Every process acts on it within a second.",
        _ttl,
        _ttl_fields,
    ),
    "warm": Operation("Warm?", "A worker computes the standard answers that are cold.", _warm),
}


@admin.register(Cache)
class CacheAdmin(OperationsAdmin):
    page_title = "Cache: statistics and controls"
    page_template = "cachecore/overview.html"
    operations = QUESTIONS
    expected_errors = (UnknownName, TaskNotQueued, RedisUnavailable)

    def page_context(self, request: HttpRequest) -> dict[str, Any]:
        servers, snapshot = server_info.read_all_roles(), stats.snapshot()
        clearable = operations.clearable_families()
        return {
            "families": [(snapshot.family(name), name in clearable) for name in _names(snapshot, clearable)],
            "snapshot": snapshot,
            "servers": servers.values(),
            "status": server_info.status(servers),
            "lifetimes": [_lifetime(family) for _, family in sorted(operations.families_with_ttl().items())],
            "policies": [(name, name in switches.switched_off()) for name in sorted(caching.policies)],
            "versions": dict.fromkeys(versions.namespaces) | server_info.namespace_versions(),
        }

    def valid_names(self, verb: str) -> Collection[str]:
        return _known(verb)


def _lifetime(family: Family) -> tuple[Family, Tier, Lifetime | None]:
    """None: the settings give it one that is out of bounds."""
    try:
        return family, family.tier, effective_ttl.lifetime_of(family)
    except ValueError:
        return family, family.tier, None


def _known(verb: str) -> Mapping[str, object]:
    known: dict[str, Mapping[str, object]] = {
        "clear": operations.clearable_families(),
        "bump": versions.namespaces,
        "off": caching.policies,
        "on": caching.policies,
        "ttl": operations.families_with_ttl(),
        "warm": {operations.ALL: None},
    }
    return known[verb]


def _names(snapshot: Snapshot, clearable: Mapping[str, object]) -> list[str]:
    return sorted({family.family for family in snapshot.families} | clearable.keys())
