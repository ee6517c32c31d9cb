from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil, floor, log10


@dataclass(frozen=True, slots=True)
class Log:
    """A logarithmic axis from values `low`..`high` to coordinates `start`..`end`; values outside go to the edge."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        inside = min(max(value, self.low), self.high)
        part = (log10(inside) - log10(self.low)) / (log10(self.high) - log10(self.low))
        return round(self.start + part * (self.end - self.start), 2)

    def decades(self) -> Iterator[float]:
        for exponent in range(ceil(log10(self.low) - 1e-9), floor(log10(self.high) + 1e-9) + 1):
            yield 10.0**exponent


@dataclass(frozen=True, slots=True)
class Linear:
    """A linear axis from values `low`..`high` to coordinates `start`..`end`."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        part = (value - self.low) / (self.high - self.low) if self.high > self.low else 0.0
        return round(self.start + part * (self.end - self.start), 2)


def ceiling(value: float) -> float:
    """Return the end of an axis: 1 or the next even digit, times a power of ten, so that its half is round too."""
    power = 10.0 ** floor(log10(value)) if value > 0 else 1.0
    return next(step * power for step in (1, 2, 4, 6, 8, 10) if step * power >= value)
