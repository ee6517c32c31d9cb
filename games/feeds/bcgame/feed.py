"""BC.Game's history, read back from the newest page to what the table knows, and where the table has gaps."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from cachetools import TTLCache
from django.db.models import Min

from games.feeds.base import FeedTrouble, Poll
from games.feeds.bcgame.client import HistoryClient
from games.feeds.bcgame.format import Page
from games.feeds.pace import Pace
from games.feeds.reported import Reported
from games.gaps import find_gaps
from games.models import Game
from games.rounds import Round
from games.selectors import newest_game_id
from games.services import MAX_JUMP

logger = logging.getLogger(__name__)

Gap = tuple[int, int]  # first and last missing id


@dataclass(frozen=True)
class Options:
    interval_seconds: float = 5.0  # a game takes about half a minute
    max_interval_seconds: float = 600.0
    max_pages: int = 40  # how deep the history is read: 2,000 games, most of a day
    gap_pages: int = 5  # per gap and poll; once a poll has read as many, it leaves further gaps to the next
    gap_retry_seconds: float = 600.0  # what the site did not have


@dataclass(slots=True)
class Reading:
    """What one poll has read so far; it keeps that also when a later page fails."""

    by_id: dict[int, Round] = field(default_factory=dict)
    unreadable: list[str] = field(default_factory=list)

    def add(self, page: Page) -> bool:
        """Whether the page held a game that was not read before."""
        before = len(self.by_id)
        # A game that comes twice is one that a newer game pushed over the page's edge; its later reading counts.
        self.by_id.update((told.game_id, told) for told in page.rounds)
        self.unreadable += page.unreadable
        return len(self.by_id) > before

    def poll(self, wait_seconds: float, trouble: str | None = None) -> Poll:
        rounds = [self.by_id[game_id] for game_id in sorted(self.by_id)]
        unreadable = tuple(dict.fromkeys(self.unreadable))
        return Poll(rounds=rounds, unreadable=unreadable, wait_seconds=wait_seconds, trouble=trouble)


class BCGameFeed:
    source = "bcgame"

    def __init__(
        self, client: HistoryClient, options: Options, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._client = client
        self._options = options
        self._pace = Pace(options.interval_seconds, options.max_interval_seconds)
        self._asked: TTLCache[Gap, bool] = TTLCache(10_000, options.gap_retry_seconds, timer=monotonic)
        self._reported = Reported()

    def poll(self) -> Poll:
        reading = Reading()
        try:
            self._read(reading)
        except FeedTrouble as trouble:
            seconds = self._pace.slow_down()
            return reading.poll(seconds, f"the site {trouble}; next try in {seconds:g} s")
        return reading.poll(self._pace.reset())

    def close(self) -> None:
        self._client.close()

    def _read(self, reading: Reading) -> None:
        page = self._client.page(1)
        reading.add(page)
        if not page.rounds:
            raise FeedTrouble(f"tells no game: {page.size} rounds on page 1, none readable")
        known = newest_game_id()
        newest = _newest_believable(page, known)
        if newest is None:
            reading.by_id.clear()
            raise FeedTrouble(
                f"is more than {MAX_JUMP:,} games ahead of the table, which ends with game {known}: "
                "record one of its games by force, or use another database"
            )
        self._read_back(reading, page, known)
        if known is not None:
            self._fill_gaps(reading, newest, known, page.size)

    def _read_back(self, reading: Reading, page: Page, known: int | None) -> None:
        """Page after page until the table goes on below, or the site has no more."""
        oldest = _oldest(page)
        for number in range(2, self._options.max_pages + 1):
            if known is not None and oldest <= known + 1:
                return
            page = self._client.page(number)
            if not reading.add(page):  # empty, or a server that does not turn pages
                break
            oldest = min(oldest, _oldest(page))
        if known is not None and oldest > known + 1:
            logger.warning("games %d to %d lie deeper than the site's history was read: a gap", known + 1, oldest - 1)

    def _fill_gaps(self, reading: Reading, newest: int, known: int, page_size: int) -> None:
        """Ask for what is missing among the ids that the history reaches, newest first, a few pages per poll."""
        oldest = Game.objects.aggregate(oldest=Min("game_id"))["oldest"]
        reach = newest - self._options.max_pages * page_size
        read = 0
        for gap in reversed(list(find_gaps(max(oldest, reach), known))):
            if gap in self._asked or _covered(gap, reading):
                continue
            self._asked[gap] = True  # before it is asked: a site that refuses this page must not refuse us every poll
            read += self._fill(gap, reading, 1 + (newest - gap[1]) // page_size)
            if read >= self._options.gap_pages:
                return

    def _fill(self, gap: Gap, reading: Reading, number: int) -> int:
        """Read the pages where the gap should be, `gap_pages` at the most; return how many were read.

        `number` is right while the site itself lacks no game and none ended meanwhile; else the ids on each page
        tell how far away the gap is.
        """
        first, last = gap
        found: set[int] = set()
        visited: set[int] = set()
        while number not in visited and len(visited) < self._options.gap_pages:
            visited.add(number)
            page = self._client.page(number)
            reading.add(page)
            ids = [told.game_id for told in page.rounds]
            found.update(game_id for game_id in ids if first <= game_id <= last)
            if not ids or min(ids) <= first <= max(ids):
                break
            number = max(1, number + _pages_away(gap, ids, page.size))
        if not found and self._reported.first_time(gap):
            logger.warning("games %d to %d are missing, and the site does not tell them", first, last)
        return len(visited)


def _pages_away(gap: Gap, ids: list[int], page_size: int) -> int:
    """From the page of these ids to the next that may hold the gap: 1 and more is deeper, -1 and less is newer."""
    first, last = gap
    if max(ids) < first:
        return -max(1, (first - max(ids)) // page_size)
    return max(1, (min(ids) - last) // page_size)


def _newest_believable(page: Page, known: int | None) -> int | None:
    """A single rogue id is for `record_games` to reject; it must not move where the pages are thought to be."""
    return max(
        (told.game_id for told in page.rounds if known is None or told.game_id <= known + MAX_JUMP), default=None
    )


def _oldest(page: Page) -> int:
    return min(told.game_id for told in page.rounds)


def _covered(gap: Gap, reading: Reading) -> bool:
    return all(game_id in reading.by_id for game_id in range(gap[0], gap[1] + 1))
