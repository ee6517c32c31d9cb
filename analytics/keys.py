"""Key families of the analytics API's answers. The view's own keys: analytics/live/keys.py."""

from dataclasses import replace
from functools import partial

from cachecore.keys import Family
from cachecore.responses.stored_response import RESPONSE_OPTIONS

_answer = partial(
    Family,
    role="cache",
    type="string",
    ttl_seconds=120,
    purged_by="version `analytics`",
    options=replace(RESPONSE_OPTIONS, tier="analytics"),
)

OCCURRENCES = _answer(
    name="analytics-occurrence",
    pattern="analytics:occurrence:{parameters}:{version}",
    holds="counts over a window as JSON (stored_response.StoredResponse)",
    written_by="analytics.views.OccurrencesView",
)
INTERVALS = _answer(
    name="analytics-interval",
    pattern="analytics:interval:{parameters}:{version}",
    holds="counts per interval as JSON (stored_response.StoredResponse)",
    written_by="analytics.views.IntervalsView",
)
GAME_SETS = _answer(
    name="analytics-game-sets",
    pattern="analytics:game_sets:{parameters}:{version}",
    holds="counts per set of games as JSON (stored_response.StoredResponse)",
    written_by="analytics.views.GameSetsView",
)
SERIES = _answer(
    name="analytics-series-answer",
    pattern="analytics:series:{parameters}:{version}",
    holds="series of games as JSON (stored_response.StoredResponse)",
    written_by="analytics.views.SeriesView",
)
LAST_GAMES = _answer(
    name="analytics-last-games",
    pattern="analytics:last_games:{parameters}:{version}",
    holds="the newest games that met a condition as JSON (stored_response.StoredResponse)",
    written_by="analytics.views.LastGamesView",
)
DISTRIBUTION = _answer(
    name="analytics-distribution",
    pattern="analytics:distribution:{parameters}:{version}",
    holds="counts per bin as JSON (stored_response.StoredResponse)",
    written_by="analytics.views.DistributionView",
)
VOLATILITY = _answer(
    name="analytics-volatility",
    pattern="analytics:volatility:{parameters}:{version}",
    holds="moments per block as JSON (stored_response.StoredResponse)",
    written_by="analytics.views.VolatilityView",
)
AUDIT = _answer(
    name="analytics-audit",
    pattern="analytics:audit:{parameters}:{version}",
    holds="verdicts, gaps and fit as JSON (stored_response.StoredResponse)",
    written_by="analytics.views.AuditView",
)
