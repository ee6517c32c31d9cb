"""Convert crash points between text and the stored integers: hundredths, 2.34x = 234."""

import re
from decimal import Decimal

from games.fairness import MAX_CRASH_HUNDREDTHS

_CRASH_POINT = re.compile(r"[0-9]{1,16}(\.[0-9]{1,2}0*)?")


def parse_hundredths(text: str) -> int:
    """Return 234 for `"2.34"`.

    Raises ValueError unless the text is a plain number of at least 1 with at most two decimals.
    """
    if not _CRASH_POINT.fullmatch(text):
        raise ValueError("Expected a number with at most two decimals, such as 2 or 2.34.")
    hundredths = int(Decimal(text) * 100)
    if hundredths < 100:
        raise ValueError("A crash point must be at least 1.")
    if hundredths > MAX_CRASH_HUNDREDTHS:
        raise ValueError(f"A crash point must be at most {format_hundredths(MAX_CRASH_HUNDREDTHS)}.")
    return hundredths


def format_hundredths(hundredths: int) -> str:
    """Return the canonical text of a crash point, for keys and queries: 234 is `"2.34"`, 200 `"2"`, 250 `"2.5"`."""
    whole, rest = divmod(hundredths, 100)
    return f"{whole}.{rest:02d}".rstrip("0").rstrip(".") if rest else str(whole)


def to_number(hundredths: int) -> float:
    """Return a crash point as a JSON number, exact to two decimals for every value a game may have (< 2^48)."""
    return hundredths / 100
