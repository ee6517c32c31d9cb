"""The dashboard's key family."""

from dataclasses import replace

from cachecore.answers.stored_answers import ANSWER
from cachecore.keys import Family

DASHBOARD = Family(
    name="analytics-dashboard",
    pattern="analytics:dashboard:{parameters}:{version}",
    role="cache",
    type="string",
    ttl_seconds=30,
    holds="the dashboard's panels as HTML, in JSON (stored_answers.StoredAnswer)",
    written_by="analytics.dashboard.views.panels",
    purged_by="version `analytics`",
    options=replace(ANSWER, tier="list-long"),
)
