"""One call of `remember`: its arguments, and the events that happened on its way."""

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


# True while the product itself reads, to warm or to check the cache: hit rates count the reads of users only.
is_internal_request: ContextVar[bool] = ContextVar("is_internal_request", default=False)


class ReadRequest(msgspec.Struct):
    """`requested_tags` are the tags as the caller gave them. `ttl` is resolved when a value is stored."""

    key: Key
    ttl: float | str | None
    factory: Callable[[], Any]
    canonical_tags: CanonicalTags
    requested_tags: tuple[str, ...]
    started: float  # monotonic
    events: list[Event] = []  # not shared: msgspec copies an empty default
    counted_by_parent: bool = False  # computes for a caller that counts the read: one read is counted once

    @property
    def family(self) -> Family:
        return self.key.family

    def spawned(self) -> "ReadRequest":
        """Return a copy for the thread or task that computes the value on behalf of this request."""
        return msgspec.structs.replace(self, events=[], counted_by_parent=True)

    def merge_events(self, spawned: "ReadRequest") -> None:
        """Take over the events of the request that computed the value."""
        for event in spawned.events:
            if event in READS:
                self.count(event)
            else:
                self.events.append(event)  # counted by the spawned request

    def count(self, event: Event) -> None:
        """Record an event, and count it in the statistics."""
        self.events.append(event)
        if self.counted_by_parent and event in READS:
            return
        stats.count(self.key.family.name, "warmed" if event in READS and is_internal_request.get() else event)


def outcome(events: Collection[Event]) -> Outcome:
    """Return the outcome of a call from its events. `bypass`: computed, but not stored."""
    if "stale" in events:
        return "stale"
    if not NOT_STORED_EVENTS.isdisjoint(events):
        return "bypass"
    return "miss" if "miss" in events else "hit"
