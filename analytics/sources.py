"""Live view or table: one decision, one place."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeVar

from django.db import InterfaceError, OperationalError

from analytics import table
from analytics.columns import Coverage, Slice, Window
from analytics.compute.occurrences import Occurrences
from analytics.conditions import Condition
from analytics.live import reader
from analytics.live.reader import Head, Moving
from cachecore.clock import now_ms
from cachecore.connections import RoleUnavailable

logger = logging.getLogger(__name__)

Answer = TypeVar("Answer")

# A view that lacks games still answers while the oldest of them was recorded less than this ago.
GRACE_MS = 10_000


@dataclass(frozen=True, slots=True)
class Source:
    """Where an answer comes from. `settled`: it holds until the version rises; else the view should have answered."""

    name: Literal["live", "database"]
    version: int | None
    epoch: str | None
    settled: bool


def slice_of(window: Window) -> tuple[Source, Slice]:
    """The games of a window. Raises django.db.Error when the table is asked and does not answer."""
    source, found = _ask_view(lambda: reader.slice_of(window))
    return source, found if found is not None else table.slice_of(window)


def all_time(conditions: list[Condition]) -> tuple[Source, Coverage, list[Occurrences]] | None:
    """Counts over all games in O(1) from the aggregates; None where only the games themselves can tell."""
    source, found = _ask_view(lambda: reader.all_time(conditions))
    return (source, *found) if found is not None else None


def _ask_view(ask: Callable[[], tuple[Head, Answer] | None]) -> tuple[Source, Answer | None]:
    try:
        answer = ask()
        if answer is None:  # no view, or the window reaches below what it keeps: then the table is right for good
            view = reader.head()
            settled = view is not None and is_current(view)
            return _database(view, settled=settled), None
        view, found = answer
    except (RoleUnavailable, Moving) as error:
        logger.warning("answering from the table: %s", error or type(error).__name__)
        return _database(None, settled=False), None
    if not is_current(view):
        return _database(view, settled=False), None
    return Source("live", view.version, view.epoch, settled=True), found


def is_current(view: Head) -> bool:
    """Whether the view holds the table's newest game, or lacks games only since a moment ago."""
    try:
        since = table.unapplied_since(view.newest)
    except (OperationalError, InterfaceError):
        return True  # nobody can tell, and there is nothing else to answer from
    return since is None or now_ms() - table.to_ms(since) < GRACE_MS


def _database(view: Head | None, *, settled: bool) -> Source:
    return Source("database", view.version if view else None, view.epoch if view else None, settled)
