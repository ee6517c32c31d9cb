"""One call of `remember`, as it goes through the filling of a value; and how it went."""

from collections.abc import Callable, Collection
from contextvars import ContextVar
from typing import Any, Literal

import msgspec

from cachecore.keys import Family, Key
from cachecore.stats import stats
from cachecore.stats.measures import READS, Event
from cachecore.tags import CanonicalTags

Outcome = Literal["hit", "stale", "miss", "bypass"]
NOT_STORED_EVENTS: frozenset[Event] = frozenset({"bypass", "refused", "error", "lease_lost"})


# Whether the product itself asks, to warm or to check: a hit rate is about those who are served.
is_internal_request: ContextVar[bool] = ContextVar("by_ourselves", default=False)


class ReadRequest(msgspec.Struct):
    """`named`: the tags, canonical; `asked`: as the caller named them; `ttl` is resolved when something is stored."""

    key: Key
    ttl: float | str | None
    factory: Callable[[], Any]
    canonical_tags: CanonicalTags
    requested_tags: tuple[str, ...]
    started: float  # monotonic
    events: list[Event] = []  # a list of its own: msgspec copies an empty default
    counted_by_parent: bool = False  # computes for a caller who counts the read: one read is one

    @property
    def family(self) -> Family:
        return self.key.family

    def spawned(self) -> "ReadRequest":
        """For who computes it in another thread or task."""
        return msgspec.structs.replace(self, events=[], counted_by_parent=True)

    def merge_events(self, spawned: "ReadRequest") -> None:
        """How it went there is how it went."""
        for event in spawned.events:
            if event in READS:
                self.count(event)
            else:
                self.events.append(event)  # counted there

    def count(self, event: Event) -> None:
        self.events.append(event)
        if self.counted_by_parent and event in READS:
            return
        stats.count(self.key.family.name, "warmed" if event in READS and is_internal_request.get() else event)


def outcome(events: Collection[Event]) -> Outcome:
    """What a call comes to, for who wants to tell. `bypass`: computed, and not kept."""
    if "stale" in events:
        return "stale"
    if not NOT_STORED_EVENTS.isdisjoint(events):
        return "bypass"
    return "miss" if "miss" in events else "hit"
