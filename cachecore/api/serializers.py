"""Response bodies of the monitoring API. Rates are 0 to 1, or null if nothing was read; sizes are in bytes."""

from datetime import UTC, datetime
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from cachecore.clock import now_ms
from cachecore.responses.times import TimeField, format_time
from cachecore.stats import server_info, stats
from cachecore.stats.measures import FamilyStats


class FamilyStatsSerializer(serializers.Serializer[Any]):
    family = serializers.CharField()
    hits = serializers.IntegerField(help_text="Reads served from Redis.")
    local_hits = serializers.IntegerField(help_text="Reads served from a process's memory.")
    stale = serializers.IntegerField()
    misses = serializers.IntegerField()
    bypassed = serializers.IntegerField(help_text="Reads that could not be cached.")
    hit_rate = serializers.FloatField(allow_null=True)
    errors = serializers.IntegerField()  # type: ignore[assignment]  # DRF takes it for a field
    waits = serializers.IntegerField()
    lost_leases = serializers.IntegerField()
    refused = serializers.IntegerField(help_text="Values that were not stored, for example above the size limit.")
    stored = serializers.IntegerField()
    refreshed = serializers.IntegerField()
    raw_bytes = serializers.IntegerField(help_text="Encoded size of all values stored; a response's gzip is included.")
    stored_bytes = serializers.IntegerField(help_text="Their size as sent to Redis, with envelopes; may be larger.")


class StatsSerializer(serializers.Serializer[Any]):
    hits = serializers.IntegerField(help_text="Reads served from Redis or a process's memory.")
    misses = serializers.IntegerField()
    hitRate = serializers.FloatField(allow_null=True, help_text="0 to 1.")  # noqa: N815  the contract's name
    stale = serializers.IntegerField()
    memoryUsed = serializers.IntegerField(allow_null=True, help_text="Bytes, of the cache role's server.")  # noqa: N815
    evictedKeys = serializers.IntegerField(allow_null=True)  # noqa: N815
    keyCount = serializers.IntegerField(allow_null=True)  # noqa: N815
    errors = serializers.IntegerField()  # type: ignore[assignment]
    families = FamilyStatsSerializer(many=True)


class StatsAnswerSerializer(serializers.Serializer[Any]):
    stats = StatsSerializer()
    status = serializers.ChoiceField(["ok", "degraded", "unavailable"])
    timestamp = TimeField()


class ClearedSerializer(serializers.Serializer[Any]):
    cleared = serializers.IntegerField(help_text="Keys deleted.")


@extend_schema_field({"oneOf": [{"type": "integer"}, {"type": "string"}]})
class VersionField(serializers.Field):  # type: ignore[type-arg]
    """A version: an increasing number for a namespace, a random text for any other tag."""


class InvalidatedSerializer(serializers.Serializer[Any]):
    tag = serializers.CharField()
    version = VersionField()


def stats_body() -> dict[str, Any]:
    """Return the body of StatsAnswerSerializer, also printed by `cache_stats --json`. Never raises RedisUnavailable."""
    snapshot, servers = stats.snapshot(), server_info.read_all_roles()
    total, cache = snapshot.total, servers["cache"]
    totals = {
        "hits": total.events("hit", "local_hit"),
        "misses": total.events("miss"),
        "hitRate": total.hit_rate,
        "stale": total.events("stale"),
        "memoryUsed": cache.memory_used_bytes,
        "evictedKeys": cache.evicted_keys,
        "keyCount": cache.keys,
        "errors": total.events("error"),
        "families": [_family(family) for family in snapshot.families],
    }
    timestamp = format_time(datetime.fromtimestamp(now_ms() / 1000, UTC))
    return {"stats": totals, "status": server_info.status(servers), "timestamp": timestamp}


def _family(family: FamilyStats) -> dict[str, Any]:
    return {
        "family": family.family,
        "hits": family.events("hit"),
        "local_hits": family.events("local_hit"),
        "stale": family.events("stale"),
        "misses": family.events("miss"),
        "bypassed": family.events("bypass"),
        "hit_rate": family.hit_rate,
        "errors": family.events("error"),
        "waits": family.events("wait"),
        "lost_leases": family.events("lease_lost"),
        "refused": family.events("refused"),
        "stored": family.events("stored"),
        "refreshed": family.events("refreshed"),
        "raw_bytes": family.raw_bytes,
        "stored_bytes": family.stored_bytes,
    }
