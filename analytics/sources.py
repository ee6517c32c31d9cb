"""Live view or table: one decision, one place."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

import numpy as np
from django.db import InterfaceError, OperationalError

from analytics.bounded_cache import Remembered
from analytics.columns import ALL_GAMES, Columns, Coverage, Slice, Stretch, Window
from analytics.compute.last_games import LastGames
from analytics.compute.occurrences import Occurrences, occurrences
from analytics.conditions import Condition
from analytics.database import game_reads
from analytics.database import totals as table_totals
from analytics.database import window_columns as table_slices
from analytics.live import all_time, reader, window_columns
from analytics.live.all_time import AllSeries
from analytics.live.reader import Head
from analytics.live.view_snapshot import Moving
from cachecore.clock import now_ms
from cachecore.redis_client.connections import RedisUnavailable

logger = logging.getLogger(__name__)

Answer = TypeVar("Answer")

# A view that lacks games still answers while the oldest of them was recorded less than this ago.
GRACE_MS = 10_000
LOOK_SECONDS = 1.0
_held_all_at: Remembered[tuple[str, int | None], float] = Remembered(8)


@dataclass(frozen=True, slots=True)
class Source:
    """Where an answer comes from. `settled`: it holds until the version rises; else the view should have answered."""

    name: Literal["live", "database"]
    version: int | None
    epoch: str | None
    settled: bool

    @property
    def makeshift(self) -> "Source":
        """The table stood in for this one, for a moment."""
        return replace(self, name="database", settled=False)


def slices_of(windows: Sequence[Window]) -> tuple[Source, list[Slice]]:
    """The games of windows, all of one moment. Raises django.db.Error when the table is asked and does not answer."""
    return _ask(lambda: window_columns.slices_of(windows), lambda: table_slices.slices_of(windows))


def stretch_of(window: Window, conditions: Sequence[Condition]) -> tuple[Source, Stretch]:
    """A window with the series of these conditions around it. Raises as above."""
    return _ask(
        lambda: window_columns.stretch_of(window, conditions), lambda: table_slices.stretch_of(window, conditions)
    )


def last_met(conditions: Sequence[Condition], limit: int) -> tuple[Source, tuple[Coverage, list[LastGames]]]:
    """The newest games that met each condition. Raises as above."""

    def ask() -> tuple[Head, tuple[Coverage, list[LastGames]]] | None:
        found = window_columns.last_met(conditions, limit)
        return None if found is None else (found[0], (found[0].coverage, found[1]))

    return _ask(ask, lambda: table_totals.last_met(conditions, limit))


def all_occurrences(conditions: Sequence[Condition]) -> tuple[Source, Coverage, list[Occurrences]]:
    """Counts over all games: in O(1) where the view keeps them, else its ledger's or the table's. Raises as above."""
    source, found = _ask(
        lambda: all_time.occurrences(conditions) or _of_ledger(conditions),
        lambda: table_totals.all_occurrences(conditions),
    )
    return source, *found


def _of_ledger(conditions: Sequence[Condition]) -> tuple[Head, tuple[Coverage, list[Occurrences]]] | None:
    found = window_columns.slices_of([ALL_GAMES])
    if found is None:
        return None
    view, [everything] = found
    return view, (everything.coverage, occurrences(everything.columns, conditions))


def all_series(
    conditions: Sequence[Condition], sort: Literal["time", "length"], limit: int
) -> tuple[Source, Coverage, list[AllSeries], Columns] | None:
    """Series of all games from what the view keeps, and the games they name; None as above."""

    def ask() -> tuple[Head, tuple[Coverage, list[AllSeries], Columns]] | None:
        found = all_time.all_series(conditions, sort, limit)
        return None if found is None else (found[0], (found[0].coverage, *found[1]))

    source, found = _ask_view(ask)
    if found is None:
        return None
    covered, rows, games = found
    named = np.array([number for one in rows for row in one.series for number in row.ids], dtype=np.int64)
    dropped = np.setdiff1d(named, games.ids)
    if len(dropped):  # older than the ledger keeps
        games = Columns.joined([game_reads.rows_of(dropped.tolist()), games])
    if not bool(np.isin(named, games.ids).all()):  # one has just been deleted, and not yet applied
        return None
    return source, covered, rows, games


def _ask(ask: Callable[[], tuple[Head, Answer] | None], otherwise: Callable[[], Answer]) -> tuple[Source, Answer]:
    source, found = _ask_view(ask)
    return source, found if found is not None else otherwise()


def _ask_view(ask: Callable[[], tuple[Head, Answer] | None]) -> tuple[Source, Answer | None]:
    try:
        answer = ask()
        if answer is None:  # no view, or the window reaches below what it keeps: then the table is right for good
            view = reader.head()
            settled = view is not None and is_current(view)
            return _database(view, settled=settled), None
        view, found = answer
    except RedisUnavailable:  # told once an outage (cachecore/redis_client/connections.py), not with every answer
        return _database(None, settled=False), None
    except Moving:
        logger.warning("answering from the table: the view moved on during every try")
        return _database(None, settled=False), None
    if not is_current(view):
        return _database(view, settled=False), None
    return Source("live", view.version, view.epoch, settled=True), found


def is_current(view: Head) -> bool:
    """Whether the view has heard of every change of the table, or has not only since a moment ago.

    A change that was marked waits among the pending games; a new one that was not (saved while Redis was away) shows in
    the table as a game beyond the view's head.

    The table is asked at most once a second for a view that was found to hold everything: a game that is recorded
    meanwhile is within its grace anyway.
    """
    if view.behind_ms(now_ms()) >= GRACE_MS:
        return False
    known = _held_all_at.get((view.epoch, view.newest))
    if known is not None and time.monotonic() - known < LOOK_SECONDS:
        return True
    asked_at = time.monotonic()
    try:
        since = game_reads.unapplied_since(view.newest)
    except (OperationalError, InterfaceError):
        return True  # nobody can tell, and there is nothing else to answer from
    if since is None:
        _held_all_at.set((view.epoch, view.newest), asked_at)
        return True
    return now_ms() - game_reads.to_ms(since) < GRACE_MS


def _database(view: Head | None, *, settled: bool) -> Source:
    return Source("database", view.version if view else None, view.epoch if view else None, settled)
