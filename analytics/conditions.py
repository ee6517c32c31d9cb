"""Conditions on a game's crash point: their names such as `min:10`, parsed and printed. Pure: no Django, no Redis.

Every kind is one range of hundredths; the view's scripts and the SQL depend on that (docs/decisions/0002). A new kind
also needs a parameter (analytics/query/conditions.py) and texts for people (web/templatetags/site.py,
web/dashboard/choices.py).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, Self

from games.crash_points import format_hundredths, parse_hundredths
from games.fairness import MAX_CRASH_HUNDREDTHS
from games.fairness.law import Law

Kind = Literal["min", "max", "floor"]
KINDS: tuple[Kind, ...] = ("min", "max", "floor")

MAX_CRASH_POINT = 10_000_000  # the largest value of a condition
MAX_CONDITIONS = 50


@dataclass(frozen=True, slots=True, order=True)
class Condition:
    """A condition: `min` (crash point >= x), `max` (<= x) or `floor` (its integer part is n).

    `hundredths` is x or n times 100. Every condition is a range of hundredths, `lowest` .. `highest`, both included.
    """

    kind: Kind
    hundredths: int

    @classmethod
    def parse(cls, kind: Kind, text: str) -> Self:
        """Parse a value: `("min", "2.0")` gives min:2. Raises ValueError with a message for the client."""
        hundredths = parse_hundredths(text.strip())
        if hundredths > MAX_CRASH_POINT * 100:
            raise ValueError(f"Must be at most {MAX_CRASH_POINT}.")
        if kind == "floor" and hundredths % 100:
            raise ValueError("Expected a whole number: the integer part of a crash point.")
        return cls(kind, hundredths)

    @classmethod
    def from_name(cls, name: str) -> Self:
        """Parse a name such as `min:10`, the inverse of `str`. Raises ValueError with a message for the client."""
        kind, _, text = name.partition(":")
        if kind not in KINDS:
            raise ValueError(f"Expected min:, max: or floor:, got {name!r}.")
        return cls.parse(kind, text)

    def __str__(self) -> str:
        return f"{self.kind}:{self.value}"

    @property
    def value(self) -> str:
        """The value in canonical form: `2`, never `2.0` or `02`."""
        return format_hundredths(self.hundredths)

    @property
    def lowest(self) -> int:
        return 100 if self.kind == "max" else self.hundredths

    @property
    def highest(self) -> int:
        if self.kind == "min":
            return MAX_CRASH_HUNDREDTHS
        return self.hundredths if self.kind == "max" else self.hundredths + 99

    def probability(self, law: Law) -> Fraction:
        """Return the probability that a game meets the condition, by the site's law. It does not depend on history."""
        if self.kind == "min":
            return law.probability_at_least(self.hundredths)
        if self.kind == "max":
            return law.probability_at_most(self.hundredths)
        return law.probability_floor(self.hundredths // 100)


def parse_list(kind: Kind, text: str) -> list[Condition]:
    """Parse a list such as "2,5,2.0" into [min:2, min:5]: in this order, without duplicates. Raises ValueError."""
    items = text.split(",")
    if len(items) > MAX_CONDITIONS:
        raise ValueError(f"Expected at most {MAX_CONDITIONS} values, got {len(items)}.")
    return list(dict.fromkeys(Condition.parse(kind, item) for item in items))


def parse_names(names: Iterable[str]) -> list[Condition]:
    """Parse configured names into a sorted list without duplicates. Raises ValueError."""
    return sorted({Condition.from_name(name) for name in names})
