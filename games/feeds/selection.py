"""Which feed the settings ask for."""

from datetime import UTC, datetime
from typing import Any

from games.feeds.base import Feed, FeedImpossible
from games.feeds.bcgame.client import HistoryClient
from games.feeds.bcgame.feed import BCGameFeed, Options
from games.feeds.none import NoFeed
from games.feeds.replay.feed import ReplayFeed
from games.feeds.shutdown import Stop

FEEDS = ("replay", "bcgame", "none")


def feed_for(settings: Any, stop: Stop, options: Options) -> Feed:
    """The feed of `settings.FEED`. `stop` also wakes what a feed waits for itself. Raises FeedImpossible."""
    if settings.FEED == "none":
        return NoFeed()
    if settings.FEED not in FEEDS:
        raise FeedImpossible(f"FEED is {settings.FEED!r}; one of: {', '.join(FEEDS)}.")
    require_bcgame(settings)
    if settings.FEED == "bcgame":
        return BCGameFeed(HistoryClient(settings.BCGAME_API_URL, stop), options)
    if not 0 < settings.REPLAY_SPEED < float("inf"):
        raise FeedImpossible(f"REPLAY_SPEED is {settings.REPLAY_SPEED}; it must be above 0.")
    return ReplayFeed(lambda: datetime.now(UTC), settings.REPLAY_SPEED)


def require_bcgame(settings: Any) -> None:
    """Raises FeedImpossible: both feeds give games of BC.Game, and one installation watches one site."""
    if settings.SITE != "bcgame":
        raise FeedImpossible(f"FEED={settings.FEED} gives games of SITE=bcgame, but SITE is {settings.SITE}.")
