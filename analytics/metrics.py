"""Metrics of the live view and the live stream."""

from collections.abc import Iterator
from typing import get_args

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from analytics import selectors
from analytics.stream import connection_counts
from analytics.stream.events import Reason
from cachecore.metrics import PREFIX, register
from cachecore.redis_client.connections import RedisUnavailable


@register
def live_view() -> Iterator[Metric]:
    """Yield the view's metrics. Omit a metric whose value is unknown (no view, or Redis is down)."""
    status = selectors.status()
    yield GaugeMetricFamily(
        f"{PREFIX}_view_current",
        "1 if the live view holds the newest game, or lacks only games recorded within the last ten seconds.",
        value=float(status["view"] == "current"),
    )
    for name, field, help_ in (
        ("view_version", "version", "Version of the live view."),
        ("view_games", "applied_games", "Games that the live view holds."),
        ("view_newest_game", "applied_head", "Id of the newest game in the live view."),
        ("view_pending_games", "pending", "Games that wait to be applied."),
    ):
        if status[field] is not None:
            yield GaugeMetricFamily(f"{PREFIX}_{name}", help_, value=status[field])
    if status["lag_ms"] is not None:
        help_ = "Time for which the oldest game that the view lacks has waited."
        yield GaugeMetricFamily(f"{PREFIX}_view_lag_seconds", help_, value=status["lag_ms"] / 1000)
    if status["drift"] is not None:
        for outcome, help_ in (("found", "differed from the table."), ("repaired", "differed and were repaired.")):
            yield CounterMetricFamily(
                f"{PREFIX}_view_drift_{outcome}", f"Games and cells that {help_}", value=status["drift"][outcome]
            )


@register
def streams() -> Iterator[Metric]:
    """Yield the streams of all processes; nothing if Redis is unavailable."""
    try:
        counts = connection_counts.read_counts()
    except RedisUnavailable:
        return
    help_ = "Live streams that are open, in all processes."
    yield GaugeMetricFamily(f"{PREFIX}_stream_connections", help_, value=counts.connections)
    help_ = "Clients of the live stream that were reset, by reason."
    resets = CounterMetricFamily(f"{PREFIX}_stream_resets", help_, labels=["reason"])
    for reason in get_args(Reason):
        resets.add_metric([reason], counts.resets.get(reason, 0))
    yield resets
