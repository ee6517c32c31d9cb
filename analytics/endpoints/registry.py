"""The list of all analytics endpoints that are cached. URLs, key families and warmers are made from it.

Each entry names a module of this package and its view; warming follows their order. The modules are imported here, so
whatever imports the registry has all key families of the analytics API.
"""

from django.utils.module_loading import import_string

from analytics.endpoints.base import AnalyticsView

ENDPOINTS = (
    "occurrences.OccurrencesView",
    "intervals.IntervalsView",
    "game_sets.GameSetsView",
    "series.SeriesView",
    "last_games.LastGamesView",
    "distribution.DistributionView",
    "volatility.VolatilityView",
    "audit.AuditView",
)

VIEWS: tuple[type[AnalyticsView], ...] = tuple(import_string(f"{__package__}.{name}") for name in ENDPOINTS)
