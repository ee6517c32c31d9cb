"""Key families of the analytics API's responses. The view's own keys: analytics/live/keys.py.

Each endpoint declares its family. Importing the registry imports every endpoint, so that clearing, docs/keys.md and the
admin know all families in every process, also in those that serve no request (cachecore/apps.py imports this module).
"""

from analytics.endpoints import registry

FAMILIES = tuple(view.policy.family for view in registry.VIEWS)
