from collections.abc import Hashable

from cachetools import LRUCache


class Reported:
    """What was told already: a feed shows the same broken round at every poll, a log should show it once.

    Bounded: what was not seen again for `size` others is forgotten, and told once more if it returns.
    """

    def __init__(self, size: int = 10_000) -> None:
        self._told: LRUCache[Hashable, bool] = LRUCache(size)

    def first_time(self, thing: Hashable) -> bool:
        seen = self._told.get(thing, False)
        self._told[thing] = True
        return not seen
