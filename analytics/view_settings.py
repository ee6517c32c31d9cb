"""The view's settings: its conditions, and how far back it reaches."""

from django.conf import settings

from analytics.conditions import Condition, parse_names
from analytics.live import retention
from cachecore.clock import now_ms


def conditions() -> list[Condition]:
    return parse_names(settings.ANALYTICS_CONDITIONS)


def oldest_retained_id(newest: int | None) -> int:
    """Return the oldest game id that the ledger retains if `newest` is the newest game."""
    return retention.oldest_retained_id(newest, settings.ANALYTICS_LEDGER_GAMES)


def oldest_bucket() -> int:
    """Return the oldest interval bucket to retain, in unix s."""
    return retention.oldest_bucket(now_ms(), settings.ANALYTICS_BUCKET_DAYS)
