"""Numbers as the admin page shows them. The bar is SVG with attributes only: a strict content policy forbids styles."""

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
    """Rounded down: 100 % says that every read was served."""
    thousandths = 1000 * family.served // family.reads if family.reads else None
    return {"percent": None if thousandths is None else f"{thousandths / 10:g}"}
