"""Template filters that format the numbers and times of the pages."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from django import template

register = template.Library()

TIMES = "\N{MULTIPLICATION SIGN}"
NO_VALUE = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"
SIZES = ((100_00, "huge"), (10_00, "big"), (2_00, "middle"))


@register.filter
def multiplier(value: float | None) -> str:
    """Format a crash point: 2.5 -> 2.50x, with the multiplication sign."""
    return NO_VALUE if value is None else f"{value:,.2f}{TIMES}"


@register.filter
def short_multiplier(value: float) -> str:
    """Format a crash point, from 1,000x on without hundredths: 1999.99 -> 1,999x."""
    return multiplier(value) if value < 1000 else f"{int(value):,}{TIMES}"


@register.filter
def hundredths(value: int | None) -> str:
    """Format a crash point in hundredths: 250 -> 2.50x."""
    return NO_VALUE if value is None else multiplier(value / 100)


@register.filter
def size(value: float) -> str:
    """Return the CSS class of a crash point: small, middle (from 2x), big (from 10x) or huge (from 100x)."""
    return next((name for least, name in SIZES if round(value * 100) >= least), "small")


@register.filter
def percent(value: float | None, digits: int = 2) -> str:
    return NO_VALUE if value is None else f"{value:.{digits}f}%"


@register.filter
def chance(value: float) -> str:
    """Format a percentage that may be tiny: three significant digits, never 0, no exponent."""
    return f"{value:.2f}%" if value >= 1 else f"{Decimal(f'{value:.3g}'):f}%"


@register.filter
def count(value: float | None) -> str:
    """Format a number: 1234 -> 1,234. Fractions are rounded."""
    return NO_VALUE if value is None else f"{value:,.0f}"


@register.filter
def gap(value: float) -> str:
    """Format an expected number of games: one decimal below 100, none from there on."""
    return f"{value:,.1f}" if value < 100 else f"{value:,.0f}"


@register.filter
def tick(value: float) -> str:
    """Format the label of an axis in few characters: 4, 600, 2k, 5M."""
    size, unit = next(((size, unit) for size, unit in ((1e6, "M"), (1e3, "k")) if value >= size), (1, ""))
    return f"{value / size:g}{unit}"


@register.filter
def signed(value: float | None, digits: int = 1) -> str:
    return NO_VALUE if value is None else f"{value:+.{digits}f}".replace("-", MINUS)


@register.filter
def game_url(game_id: int, zone: str) -> str:
    """Return the URL of a game's page with times in this zone; an empty zone means UTC."""
    return f"/games/{game_id}/" + ("" if zone in ("", "UTC") else f"?{urlencode({'tz': zone}, safe='/')}")


@register.filter
def instant(value: str | None) -> datetime | None:
    """Parse a time from an API result for the `date` filter, which writes it in the zone that the view activated."""
    return datetime.fromisoformat(value) if value else None


@register.filter
def p_value(value: float | None) -> str:
    return NO_VALUE if value is None else "below 0.001" if value < 0.001 else f"{value:.3f}"


@register.filter
def p_percent(value: float) -> str:
    return "less than 0.1%" if value < 0.001 else percent(100 * value, 1)


# One text per kind: a kind without one is a KeyError, not a wrong text.
CONDITION_TEXTS = {"min": "at least {}{}", "max": "at most {}{}", "floor": "{0}.00{1} to {0}.99{1}"}
DROUGHT_TEXTS = {"min": "below {}{}", "max": "above {}{}", "floor": "outside {0}.00{1} to {0}.99{1}"}


@register.filter
def condition_text(value: Any) -> str:
    """Describe a condition: min:10 -> at least 10x."""
    kind, _, text = str(value).partition(":")
    return CONDITION_TEXTS[kind].format(text, TIMES)


@register.filter
def drought_text(value: Any) -> str:
    """Describe the games of a drought: min:10 -> below 10x."""
    kind, _, text = str(value).partition(":")
    return DROUGHT_TEXTS[kind].format(text, TIMES)


@register.filter
def digits(value: Any) -> str:
    """Return all digits of a number that a reader may recompute: no rounding, no locale."""
    return NO_VALUE if value is None else repr(value) if isinstance(value, float) else str(value)
