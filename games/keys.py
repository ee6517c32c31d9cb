"""Key families and namespaces of the games app."""

from dataclasses import replace

from cachecore.keys import Family
from cachecore.responses.stored_response import RESPONSE_OPTIONS
from cachecore.versions import namespace

GAMES = namespace("games")
LISTED = replace(RESPONSE_OPTIONS, tier="list")

GAMES_LIST = Family(
    name="games-list",
    pattern="games:list:{parameters}:{version}",
    role="cache",
    type="string",
    ttl_seconds=20,
    holds="a page of games as JSON (stored_response.StoredResponse), < 1 MB",
    written_by="games.views.GameViewSet.list",
    purged_by="version `games`",
    options=LISTED,
)
GAMES_SINGLE = Family(
    name="games-single",
    pattern="games:single:{parameters}:{version}",
    role="cache",
    type="string",
    ttl_seconds=20,
    holds="one game as JSON (stored_response.StoredResponse)",
    written_by="games.views.GameViewSet.retrieve",
    purged_by="version `games`",
    options=LISTED,
)
GAMES_VERIFICATION = Family(
    name="games-verification",
    pattern="games:verification:{parameters}:{version}",
    role="cache",
    type="string",
    ttl_seconds=20,
    holds="the verification steps of one game as JSON (stored_response.StoredResponse)",
    written_by="games.views.GameViewSet.verification",
    purged_by="version `games`",
    options=LISTED,
)
