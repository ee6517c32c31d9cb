"""Read BC.Game's history from the newest page back to the newest stored game, then the pages that fill gaps."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from cachetools import TTLCache
from django.db.models import Min

from games.feeds.backoff import Backoff
from games.feeds.base import FeedError, PollResult
from games.feeds.bcgame.client import HistoryClient
from games.feeds.bcgame.format import Page
from games.feeds.log_deduplicator import LogDeduplicator
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
    max_pages: int = 40  # how far back the history is read: 2,000 games, most of a day
    gap_pages: int = 5  # per gap and poll; a poll that has read this many leaves further gaps to the next poll
    gap_retry_seconds: float = 600.0  # before a gap is requested again that the site could not fill


@dataclass(slots=True)
class PollBuffer:
    """The rounds that one poll has read so far. They are kept if a later page fails."""

    rounds_by_id: dict[int, Round] = field(default_factory=dict)
    unreadable: list[str] = field(default_factory=list)

    def add(self, page: Page) -> bool:
        """Add the rounds of a page. Return True if it had a game that was not read before."""
        before = len(self.rounds_by_id)
        # A newer game can push a game onto the next page, so that it is read twice. The later reading is kept.
        self.rounds_by_id.update((round_.game_id, round_) for round_ in page.rounds)
        self.unreadable += page.unreadable
        return len(self.rounds_by_id) > before

    def result(self, wait_seconds: float, problem: str | None = None) -> PollResult:
        rounds = [self.rounds_by_id[game_id] for game_id in sorted(self.rounds_by_id)]
        unreadable = tuple(dict.fromkeys(self.unreadable))
        return PollResult(rounds=rounds, unreadable=unreadable, wait_seconds=wait_seconds, problem=problem)


class BCGameFeed:
    """The feed of BC.Game's public history."""

    source = "bcgame"

    def __init__(
        self, client: HistoryClient, options: Options, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._client = client
        self._options = options
        self._backoff = Backoff(options.interval_seconds, options.max_interval_seconds)
        self._requested_gaps: TTLCache[Gap, bool] = TTLCache(10_000, options.gap_retry_seconds, timer=monotonic)
        self._logged = LogDeduplicator()

    def poll(self) -> PollResult:
        buffer = PollBuffer()
        try:
            self._read(buffer)
        except FeedError as error:
            seconds = self._backoff.increase()
            return buffer.result(seconds, f"the site {error}; next try in {seconds:g} s")
        return buffer.result(self._backoff.reset())

    def close(self) -> None:
        self._client.close()

    def _read(self, buffer: PollBuffer) -> None:
        page = self._client.page(1)
        buffer.add(page)
        if not page.rounds:
            raise FeedError(f"returned no game: none of the {page.size} rounds on page 1 can be parsed")
        newest_stored = newest_game_id()
        newest = _newest_plausible(page, newest_stored)
        if newest is None:
            buffer.rounds_by_id.clear()
            raise FeedError(
                f"is more than {MAX_JUMP:,} games ahead of the table, which ends with game {newest_stored}: "
                "record one of its games by force, or use another database"
            )
        self._read_back(buffer, page, newest_stored)
        if newest_stored is not None:
            self._fill_gaps(buffer, newest, newest_stored, page.size)

    def _read_back(self, buffer: PollBuffer, page: Page, newest_stored: int | None) -> None:
        """Read older pages until the newest stored game is reached, or the site has no older games."""
        oldest = _oldest(page)
        for number in range(2, self._options.max_pages + 1):
            if newest_stored is not None and oldest <= newest_stored + 1:
                return
            page = self._client.page(number)
            if not buffer.add(page):  # the page is empty, or the server ignores the page number
                break
            oldest = min(oldest, _oldest(page))
        if newest_stored is not None and oldest > newest_stored + 1:
            logger.warning(
                "games %d to %d are missing: they are older than the pages that were read",
                newest_stored + 1,
                oldest - 1,
            )

    def _fill_gaps(self, buffer: PollBuffer, newest: int, newest_stored: int, page_size: int) -> None:
        """Request the missing ids that the history still contains, newest first, a few pages per poll."""
        oldest = Game.objects.aggregate(oldest=Min("game_id"))["oldest"]
        oldest_reachable = newest - self._options.max_pages * page_size
        read = 0
        for gap in reversed(list(find_gaps(max(oldest, oldest_reachable), newest_stored))):
            if gap in self._requested_gaps or _is_covered(gap, buffer):
                continue
            self._requested_gaps[gap] = (
                True  # before the request: if the site refuses it, the next poll must not repeat it
            )
            read += self._fill(gap, buffer, 1 + (newest - gap[1]) // page_size)
            if read >= self._options.gap_pages:
                return

    def _fill(self, gap: Gap, buffer: PollBuffer, number: int) -> int:
        """Read the pages where the gap should be, at most `gap_pages`. Return how many were read.

        The estimated page `number` is right unless the site itself lacks games, or a game ended meanwhile. Otherwise
        the ids on each page show how far away the gap is.
        """
        first, last = gap
        found: set[int] = set()
        visited: set[int] = set()
        while number not in visited and len(visited) < self._options.gap_pages:
            visited.add(number)
            page = self._client.page(number)
            buffer.add(page)
            ids = [round_.game_id for round_ in page.rounds]
            found.update(game_id for game_id in ids if first <= game_id <= last)
            if not ids or min(ids) <= first <= max(ids):
                break
            number = max(1, number + _pages_away(gap, ids, page.size))
        if not found and self._logged.first_time(gap):
            logger.warning("games %d to %d are missing, and the site does not return them", first, last)
        return len(visited)


def _pages_away(gap: Gap, ids: list[int], page_size: int) -> int:
    """Return how many pages further the gap may be: positive numbers are older pages, negative ones newer."""
    first, last = gap
    if max(ids) < first:
        return -max(1, (first - max(ids)) // page_size)
    return max(1, (min(ids) - last) // page_size)


def _newest_plausible(page: Page, newest_stored: int | None) -> int | None:
    """Return the newest id of the page that is not too far ahead, or None.

    `record_games` rejects a single implausible id. Here it must not distort the estimate of where the pages are.
    """
    ids = [round_.game_id for round_ in page.rounds]
    return max((id_ for id_ in ids if newest_stored is None or id_ <= newest_stored + MAX_JUMP), default=None)


def _oldest(page: Page) -> int:
    return min(round_.game_id for round_ in page.rounds)


def _is_covered(gap: Gap, buffer: PollBuffer) -> bool:
    return all(game_id in buffer.rounds_by_id for game_id in range(gap[0], gap[1] + 1))
