"""Numbers on the admin page. The bar is an SVG with attributes only: the Content-Security-Policy forbids styles."""

from datetime import UTC, datetime
from typing import Any

from django import template
from django.template.defaultfilters import filesizeformat

from cachecore.stats.measures import FamilyStats

register = template.Library()


@register.filter
def from_ms(unix_ms: int) -> datetime:
    return datetime.fromtimestamp(unix_ms / 1000, UTC)


@register.filter
def filesizeformat_or_dash(size: int | None) -> str:
    return "-" if size is None else filesizeformat(size)


@register.inclusion_tag("cachecore/hit_rate_bar.html")
def hit_rate_bar(family: FamilyStats) -> dict[str, Any]:
    """Return the hit rate in percent, rounded down: 100 % means that every read was served."""
    thousandths = 1000 * family.served // family.reads if family.reads else None
    return {"percent": None if thousandths is None else f"{thousandths / 10:g}"}
