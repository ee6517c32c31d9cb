"""Register the standard queries of the analytics endpoints for warming."""

from analytics.endpoints.registry import VIEWS
from cachecore.maintenance import warming

for view in VIEWS:
    if view.standard_queries is not None:
        warming.register(view.policy.family.name, view.standard_urls)
