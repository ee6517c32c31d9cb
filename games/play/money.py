"""Amounts of money: integers of ten-thousandths (`..._e4`) inside, text outside. Never a float."""

import re
from typing import Final

DIGITS: Final = 4
UNIT_E4: Final = 10_000
MAX_E4 = 10**15  # a hundred thousand million units: sums of millions of bets stay within 64 bits

_AMOUNT = re.compile(r"(0|[1-9][0-9]{0,11})(?:\.([0-9]{1,4}))?")


def parse_e4(text: str, decimals: int) -> int:
    """Return an amount such as `12.5` in ten-thousandths. Raises ValueError for any other form or more decimals."""
    match = _AMOUNT.fullmatch(text)
    if match is None:
        raise ValueError("Expected an amount as text, such as 10 or 2.50.")
    whole, fraction = match[1], match[2] or ""
    if len(fraction) > decimals:
        raise ValueError(f"At most {decimals} decimals are allowed." if decimals else "Decimals are not allowed.")
    return int(whole) * UNIT_E4 + int(fraction.ljust(DIGITS, "0"))


def format_e4(amount_e4: int, decimals: int) -> str:
    """Return an amount as text with at least `decimals` decimals, and more if it has more: 110 is `0.011`."""
    whole, rest = divmod(abs(amount_e4), UNIT_E4)
    fraction = f"{rest:0{DIGITS}d}".rstrip("0").ljust(decimals, "0")
    sign = "-" if amount_e4 < 0 else ""
    return f"{sign}{whole}.{fraction}" if fraction else f"{sign}{whole}"
