"""Compute a crash point from a hash in the site's own arithmetic: IEEE doubles, as in its JavaScript."""

import hmac
from decimal import ROUND_HALF_UP, Context
from math import floor
from typing import Final

from games.fairness.formulas import Formula, Randomness
from games.fairness.hashes import normalise_hash

# The largest crash point that can be recorded. A formula's result may exceed it (chance below 1e-12 per game).
MAX_CRASH_HUNDREDTHS: Final = 2**48 - 1

RANDOM_BITS: Final = 52
RANDOM_DIGITS: Final = RANDOM_BITS // 4


class InfiniteCrashPoint(ValueError):
    """The rounded X is 1, so the site's own formula divides by zero (BC.Game, 5e-10 of its games)."""


def crash_hundredths(formula: Formula, hash_: str) -> int | None:
    """Return the crash point in hundredths, or None if this project cannot compute the era.

    Raises MalformedHash, InfiniteCrashPoint.
    """
    hash_ = normalise_hash(hash_)
    if not formula.computable:
        return None
    return hundredths_of(formula, int(random_hex(formula, hash_)[:RANDOM_DIGITS], 16))


def random_hex(formula: Formula, hash_: str) -> str:
    """Return the 64 hexadecimal digits whose first 13 decide the game. `hash_` must be normalised."""
    if formula.randomness is Randomness.HASH:
        return hash_
    if formula.salt is None:
        raise ValueError(f"{formula.name} has no salt to key the HMAC with")
    return hmac.digest(formula.salt.encode(), bytes.fromhex(hash_), "sha256").hex()


def hundredths_of(formula: Formula, r: int) -> int:
    """Return the crash point, in hundredths and at least 100, of the random integer 0 <= r < 2**52."""
    return max(100, floor(quotient(formula, uniform(formula, r))))


def uniform(formula: Formula, r: int) -> float:
    """Return X = r / 2**52, rounded to the era's significant digits."""
    x = r / 2**RANDOM_BITS  # exact: r has at most 52 bits
    return x if formula.significant_digits is None else to_precision(x, formula.significant_digits)


def to_precision(x: float, digits: int) -> float:
    """Round as JavaScript's parseFloat(x.toPrecision(digits)) does: ties go up.

    '%.9g' rounds ties to even instead: X = 1021/1024 would give 337.91 where the site says 337.92.
    Source: ECMA-262, Number.prototype.toPrecision, "if there are two such sets, pick the larger n".
    """
    return float(Context(prec=digits, rounding=ROUND_HALF_UP).create_decimal_from_float(x))


def quotient(formula: Formula, x: float) -> float:
    """Return 99 / (1 - X), in hundredths, as a double. Raises InfiniteCrashPoint for X = 1.

    Doubles are used even where X is exact (Bustabit). In integers, floor(99 * 2**52 / (2**52 - r)) differs for
    the thousand or so r whose quotient lies less than half an ulp below a whole number, such as 103. The site's
    result is right by definition.
    """
    if x == 1.0:
        raise InfiniteCrashPoint("the crash point is infinite: X rounds to 1")
    return (100 - formula.edge_percent) / (1 - x)
