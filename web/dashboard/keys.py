"""The dashboard's key family. WebConfig.ready imports this module, so that every process has the family."""

from dataclasses import replace

from cachecore.keys import Family
from cachecore.responses.stored_response import RESPONSE_OPTIONS

DASHBOARD = Family(
    name="analytics-dashboard",
    pattern="analytics:dashboard:{parameters}:{version}",
    role="cache",
    type="string",
    ttl_seconds=30,
    holds="the dashboard's panels as HTML, in JSON (stored_response.StoredResponse)",
    written_by="web.dashboard.views.panels",
    purged_by="version `analytics`",
    options=replace(RESPONSE_OPTIONS, tier="list-long"),
)
