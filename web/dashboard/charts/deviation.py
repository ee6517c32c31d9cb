"""How far a share is from the expected one, in standard deviations: what chance alone would give."""

from math import sqrt

SIGMAS = 3.0
HALF = 20.0  # of the bar's width


def z_score(count: int, games: int, expected_percentage: float) -> float | None:
    """None where nothing can be said: no games, or a condition that every game meets."""
    p = expected_percentage / 100
    variance = games * p * (1 - p)
    return (count - games * p) / sqrt(variance) if variance > 0 else None


def bar(z: float | None) -> tuple[float, float] | None:
    """Start and width of the bar, from the middle of a field of twice HALF; cut at SIGMAS."""
    if z is None:
        return None
    reach = min(abs(z), SIGMAS) / SIGMAS * HALF
    return (round(HALF - reach if z < 0 else HALF, 2), round(reach, 2))
