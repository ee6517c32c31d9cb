"""Mean and standard deviation of ln(crash point) per block of games. Pure: columns in, dataclasses out.

The crash point itself has an infinite mean and therefore no deviation; its logarithm has both.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from analytics.columns import Columns
from games.fairness.law import Law

# Beyond this the law's sums are continued as integrals; the error is below 1e-9.
_SUMMED_TO = 1_000_000


@dataclass(frozen=True, slots=True)
class Block:
    """`games` consecutive recorded games. `deviation` is the sample deviation (n - 1); None for a single game."""

    first_game: int
    last_game: int
    start_ms: int
    end_ms: int
    games: int
    mean: float
    deviation: float | None


@dataclass(frozen=True, slots=True)
class Moments:
    mean: float
    deviation: float


def volatility(columns: Columns, size: int) -> list[Block]:
    """Compute the blocks of `size` games, counted from the newest, newest first. The oldest may have fewer games."""
    logs = np.log(columns.crash / 100)
    return [_block(columns, logs, max(0, end - size), end) for end in range(len(columns), 0, -size)]


@lru_cache(maxsize=8)
def expected(law: Law) -> Moments:
    """Compute mean and deviation of ln(X) by the law.

    E f(X) = sum over k of (f(k) - f(k - 1)) P(X >= k), for f(1.00) = 0.
    """
    k = np.arange(101, _SUMMED_TO + 1, dtype=np.float64)
    numerator = float(law.probability_at_least(_SUMMED_TO) * _SUMMED_TO)  # P(X >= k) = numerator / k
    logs, before = np.log(k / 100), np.log((k - 1) / 100)
    chances = numerator / k
    last = float(np.log(_SUMMED_TO / 100))
    mean = float(((logs - before) * chances).sum()) + numerator / _SUMMED_TO
    square = float(((logs**2 - before**2) * chances).sum()) + numerator / _SUMMED_TO * (2 * last + 2)
    return Moments(mean, float(np.sqrt(square - mean**2)))


def _block(columns: Columns, logs: np.ndarray, start: int, end: int) -> Block:
    part = logs[start:end]
    return Block(
        int(columns.ids[start]),
        int(columns.ids[end - 1]),
        int(columns.end_ms[start]),
        int(columns.end_ms[end - 1]),
        end - start,
        float(part.mean()),
        float(part.std(ddof=1)) if len(part) > 1 else None,
    )
