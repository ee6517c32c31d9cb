"""What a caller may ask of the analytics."""

from analytics.query.endpoints import (
    AuditQuery,
    DistributionQuery,
    GameSetsQuery,
    IntervalsQuery,
    LastGamesQuery,
    OccurrencesQuery,
    SeriesQuery,
    VolatilityQuery,
)
from analytics.query.windows import WindowQuery

__all__ = [
    "AuditQuery",
    "DistributionQuery",
    "GameSetsQuery",
    "IntervalsQuery",
    "LastGamesQuery",
    "OccurrencesQuery",
    "SeriesQuery",
    "VolatilityQuery",
    "WindowQuery",
]
