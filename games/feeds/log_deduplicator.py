"""Log each item once, although every poll returns it again."""

from collections.abc import Hashable

from cachetools import LRUCache


class LogDeduplicator:
    """Remembers which items were logged: a feed returns the same broken round at every poll.

    The memory is bounded: an item that does not occur again among `size` others is forgotten, and is logged once more
    if it returns.
    """

    def __init__(self, size: int = 10_000) -> None:
        self._logged_items: LRUCache[Hashable, bool] = LRUCache(size)

    def first_time(self, item: Hashable) -> bool:
        """Return True if the item was not seen before, and remember it."""
        seen = self._logged_items.get(item, False)
        self._logged_items[item] = True
        return not seen
