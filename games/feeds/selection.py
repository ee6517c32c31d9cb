"""Create the feed that the settings select."""

from datetime import UTC, datetime
from typing import Any

from games.feeds.base import Feed, FeedMisconfigured
from games.feeds.bcgame.client import HistoryClient
from games.feeds.bcgame.feed import BCGameFeed, Options
from games.feeds.none import NoFeed
from games.feeds.replay.feed import ReplayFeed
from games.feeds.shutdown import StopFlag

FEEDS = ("replay", "bcgame", "none")


def create_feed(settings: Any, stop: StopFlag, options: Options) -> Feed:
    """Return the feed of `settings.FEED`. `stop` also ends the feed's own waits. Raises FeedMisconfigured."""
    if settings.FEED == "none":
        return NoFeed()
    if settings.FEED not in FEEDS:
        raise FeedMisconfigured(f"FEED is {settings.FEED!r}. It must be one of: {', '.join(FEEDS)}.")
    require_bcgame(settings)
    if settings.FEED == "bcgame":
        return BCGameFeed(HistoryClient(settings.BCGAME_API_URL, stop), options)
    if not 0 < settings.REPLAY_SPEED < float("inf"):
        raise FeedMisconfigured(f"REPLAY_SPEED is {settings.REPLAY_SPEED}. It must be above 0.")
    return ReplayFeed(lambda: datetime.now(UTC), settings.REPLAY_SPEED)


def require_bcgame(settings: Any) -> None:
    """Raise FeedMisconfigured if SITE is not bcgame: both feeds give games of BC.Game."""
    if settings.SITE != "bcgame":
        raise FeedMisconfigured(f"FEED={settings.FEED} gives games of SITE=bcgame, but SITE is {settings.SITE}.")
