"""How far a share is from the expected one, in standard deviations."""

from math import sqrt

SIGMAS = 3.0
HALF = 20.0  # half of the bar's field


def z_score(count: int, games: int, expected_percentage: float) -> float | None:
    """Return the deviation, or None if it is undefined: no games, or a condition that every game meets."""
    p = expected_percentage / 100
    variance = games * p * (1 - p)
    return (count - games * p) / sqrt(variance) if variance > 0 else None


def bar(z: float | None) -> tuple[float, float] | None:
    """Return start and width of the bar, which begins in the middle of its field and ends at SIGMAS at most."""
    if z is None:
        return None
    reach = min(abs(z), SIGMAS) / SIGMAS * HALF
    return (round(HALF - reach if z < 0 else HALF, 2), round(reach, 2))
