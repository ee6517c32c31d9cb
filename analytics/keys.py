"""Key families of the analytics API's answers. The view's own keys: analytics/live/keys.py."""

from functools import partial

from cachecore.keys import Family

_answer = partial(
    Family,
    role="cache",
    type="string",
    ttl_seconds=120,
    purged_by="version `analytics`",
)

OCCURRENCES = _answer(
    name="analytics-occurrence",
    pattern="analytics:occurrence:{parameters}:{version}",
    holds="counts over a window as JSON (responses.StoredAnswer)",
    written_by="analytics.views.OccurrencesView",
)
INTERVALS = _answer(
    name="analytics-interval",
    pattern="analytics:interval:{parameters}:{version}",
    holds="counts per interval as JSON (responses.StoredAnswer)",
    written_by="analytics.views.IntervalsView",
)
