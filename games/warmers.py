"""The URLs of the games API that are warmed."""

from collections.abc import Iterator

from cachecore.maintenance import warming
from games.keys import GAMES_LIST


def first_pages() -> Iterator[str]:
    yield "/api/games/"
    yield "/api/games/?per_page=100"


warming.register(GAMES_LIST.name, first_pages)
