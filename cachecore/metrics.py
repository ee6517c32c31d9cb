"""GET /metrics for Prometheus.

Several web processes, workers and commands count, and a scrape reaches any one of the web processes. So the numbers do
not come from that process's memory, nor from prometheus_client's multiprocess files. They are the totals in Redis
(cachecore/stats/totals.py), to which the process first adds its own newest counts. Any process can answer for all, and
no counter falls because another process answers the next scrape. A metric of the answering process alone says so in its
HELP line. The usual process_* metrics are omitted, because they would jump between processes.

Names: https://prometheus.io/docs/practices/naming/
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate

from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector, CollectorRegistry

from cachecore.stats import server_info, stats
from cachecore.stats.measures import BOUNDS_SECONDS, INCIDENTS, OPERATIONS, READS, FamilyStats, Operation, Snapshot
from cachecore.stats.server_info import ServerInfo
from cachecore.ttl import tuning

logger = logging.getLogger(__name__)

PREFIX = "crash_monitor"
BREAKER_STATES = {"closed": 0, "half-open": 1, "open": 2}
BUCKET_LABELS = (*(repr(bound) for bound in BOUNDS_SECONDS), "+Inf")

Collect = Callable[[], Iterable[Metric]]
_collectors: dict[str, Collect] = {}


def register(collect: Collect) -> Collect:
    """Register an app's metrics: `collect` is called per scrape and yields prometheus_client metric families.

    It can be used as a decorator. If `collect` raises, only its own metrics are missing, and its `collector_up` is 0.
    """
    _collectors[f"{collect.__module__}.{collect.__qualname__}"] = collect
    return collect


@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Return the metrics. The status is always 200; an unavailable Redis takes at most one time limit per role."""
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Everything())
    return HttpResponse(encode(registry), content_type=content_type)


class _Everything(Collector):
    def collect(self) -> Iterator[Metric]:
        up = GaugeMetricFamily(f"{PREFIX}_collector_up", "1 if the collector succeeded.", labels=["collector"])
        for name, collect in _collectors.items():
            try:
                found = list(collect())
            except Exception:
                logger.exception("the collector %s failed", name)
                found = None
            up.add_metric([name], float(found is not None))
            yield from found or ()
        yield up


@register
def cache_use() -> Iterator[Metric]:
    snapshot = stats.snapshot()
    yield GaugeMetricFamily(
        f"{PREFIX}_cache_totals_complete",
        "1 if the counters include all processes, 0 if the state role is unavailable and they are one process's view.",
        value=float(snapshot.complete),
    )
    yield from _counters(snapshot)
    yield _latencies(snapshot)


def _counters(snapshot: Snapshot) -> Iterator[Metric]:
    requests = CounterMetricFamily(
        f"{PREFIX}_cache_requests", "Reads of the cache by outcome.", labels=["family", "outcome"]
    )
    events = CounterMetricFamily(
        f"{PREFIX}_cache_events", "Events in the cache other than reads.", labels=["family", "event"]
    )
    sizes = CounterMetricFamily(
        f"{PREFIX}_cache_value_bytes",
        "Bytes of stored values: raw as encoded (responses with their gzip), stored as sent to Redis, with envelopes.",
        labels=["family", "form"],
    )
    for family in snapshot.families:
        for outcome in READS:
            requests.add_metric([family.family, outcome], family.events(outcome))
        for event in INCIDENTS:
            events.add_metric([family.family, event], family.events(event))
        sizes.add_metric([family.family, "raw"], family.raw_bytes)
        sizes.add_metric([family.family, "stored"], family.stored_bytes)
    yield from (requests, events, sizes)


def _latencies(snapshot: Snapshot) -> Metric:
    metric = HistogramMetricFamily(
        f"{PREFIX}_cache_operation_seconds", "Duration of an operation of the cache.", labels=["family", "operation"]
    )
    for family in snapshot.families:
        for operation in OPERATIONS:
            _add_latency(metric, family, operation)
    return metric


def _add_latency(metric: HistogramMetricFamily, family: FamilyStats, operation: Operation) -> None:
    latency = family.latency(operation)
    if latency.count:
        cumulative = zip(BUCKET_LABELS, accumulate(latency.buckets), strict=True)
        metric.add_metric([family.family, operation], buckets=list(cumulative), sum_value=latency.seconds)


@register
def servers() -> Iterator[Metric]:
    found = server_info.read_all_roles()
    for name, help_text, value in GAUGES:
        gauge = GaugeMetricFamily(f"{PREFIX}_redis_{name}", help_text, labels=["role"])
        for role, server in found.items():
            if (number := value(server)) is not None:
                gauge.add_metric([role], number)
        yield gauge
    evicted = CounterMetricFamily(f"{PREFIX}_redis_evicted_keys", "Keys that the server evicted.", labels=["role"])
    for role, server in found.items():
        if server.evicted_keys is not None:
            evicted.add_metric([role], server.evicted_keys)
    yield evicted


GAUGES: tuple[tuple[str, str, Callable[[ServerInfo], float | None]], ...] = (
    ("up", "1 if the role's Redis is available.", lambda server: float(server.up)),
    (
        "breaker_state",
        "Circuit breaker of the answering process: 0 closed, 1 half-open, 2 open.",
        lambda server: BREAKER_STATES[server.breaker],
    ),
    ("memory_used_bytes", "Memory that the server uses.", lambda server: server.memory_used_bytes),
    ("memory_limit_bytes", "The server's maxmemory; 0 means no limit.", lambda server: server.memory_limit_bytes),
    ("keys", "Keys in the role's database.", lambda server: server.keys),
)


@register
def versions() -> Iterator[Metric]:
    gauge = GaugeMetricFamily(
        f"{PREFIX}_namespace_version", "Version of a namespace of cached values.", labels=["namespace"]
    )
    for name, version in server_info.namespace_versions().items():
        if version is not None:
            gauge.add_metric([name], version)
    yield gauge


@register
def tuned() -> Iterator[Metric]:
    ttl = GaugeMetricFamily(f"{PREFIX}_cache_tuned_ttl_seconds", "TTL chosen by tuning.", labels=["family"])
    rate = GaugeMetricFamily(
        f"{PREFIX}_cache_tuned_hit_ratio",
        "Hit rate, 0 to 1, in the period before the last tuning step.",
        labels=["family"],
    )
    target = GaugeMetricFamily(
        f"{PREFIX}_cache_tuned_target_ratio", "Target hit rate of tuning, 0 to 1.", labels=["family"]
    )
    for family, step in tuning.newest_steps().items():
        ttl.add_metric([family], step.ttl_seconds)
        rate.add_metric([family], step.hit_rate)
        target.add_metric([family], step.target)
    yield from (ttl, rate, target)
