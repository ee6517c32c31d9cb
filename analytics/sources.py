"""Live view or games table: this module alone decides which of the two supplies the data of a result.

Every function here returns the data with the `Source` that supplied them. The table is read if there is no view, if the
view is behind or changes during the read, if the window begins before the oldest retained game, or if Redis is down.
All of them raise django.db.Error if the table is needed and unavailable.
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

import numpy as np
from django.db import InterfaceError, OperationalError

from analytics.bounded_cache import BoundedCache
from analytics.columns import ALL_GAMES, Columns, Coverage, Slice, Window, WindowWithContext
from analytics.compute.last_games import LastGames
from analytics.compute.occurrences import Occurrences, occurrences
from analytics.conditions import Condition
from analytics.database import game_reads
from analytics.database import totals as table_totals
from analytics.database import window_columns as table_columns
from analytics.live import all_time, reader
from analytics.live import window_columns as view_columns
from analytics.live.all_time import AllTimeSeries
from analytics.live.reader import ViewState
from analytics.live.view_snapshot import ViewChangedDuringRead
from cachecore.clock import now_ms
from cachecore.redis_client.connections import RedisUnavailable

logger = logging.getLogger(__name__)

Data = TypeVar("Data")

# A view that lacks games still supplies the data while the oldest of these games was recorded less than this ago.
GRACE_MS = 10_000
RECHECK_SECONDS = 1.0
# (epoch, newest game) of a view -> when the table was last found to hold no game beyond it.
_last_complete_check: BoundedCache[tuple[str, int | None], float] = BoundedCache(8)


@dataclass(frozen=True, slots=True)
class Source:
    """The source of a result's data.

    `is_definitive`: the result stays right until the version rises. Otherwise the view should have supplied the data,
    and the result is cached briefly only.
    """

    name: Literal["live", "database"]
    version: int | None
    epoch: str | None
    is_definitive: bool

    @property
    def as_fallback(self) -> "Source":
        """This source, where the table has supplied the data in place of the view."""
        return replace(self, name="database", is_definitive=False)


def slices_of(windows: Sequence[Window]) -> tuple[Source, list[Slice]]:
    """Return the games of windows, all from one snapshot."""
    return _view_or_table(lambda: view_columns.slices_of(windows), lambda: table_columns.slices_of(windows))


def window_with_context(window: Window, conditions: Sequence[Condition]) -> tuple[Source, WindowWithContext]:
    """Return a window with the games around it that belong to the series of these conditions."""
    return _view_or_table(
        lambda: view_columns.window_with_context(window, conditions),
        lambda: table_columns.window_with_context(window, conditions),
    )


def last_met(conditions: Sequence[Condition], limit: int) -> tuple[Source, tuple[Coverage, list[LastGames]]]:
    """Return the newest games that met each condition."""

    def read_view() -> tuple[ViewState, tuple[Coverage, list[LastGames]]] | None:
        found = view_columns.last_met(conditions, limit)
        return None if found is None else (found[0], (found[0].coverage, found[1]))

    return _view_or_table(read_view, lambda: table_totals.last_met(conditions, limit))


def all_occurrences(conditions: Sequence[Condition]) -> tuple[Source, Coverage, list[Occurrences]]:
    """Return the counts over all games: in O(1) for the view's own conditions, else from its ledger or the table."""
    source, found = _view_or_table(
        lambda: all_time.occurrences(conditions) or _occurrences_in_ledger(conditions),
        lambda: table_totals.all_occurrences(conditions),
    )
    return source, *found


def _occurrences_in_ledger(
    conditions: Sequence[Condition],
) -> tuple[ViewState, tuple[Coverage, list[Occurrences]]] | None:
    found = view_columns.slices_of([ALL_GAMES])
    if found is None:
        return None
    view, [everything] = found
    return view, (everything.coverage, occurrences(everything.columns, conditions))


def all_series(
    conditions: Sequence[Condition], sort: Literal["time", "length"], limit: int
) -> tuple[Source, Coverage, list[AllTimeSeries], Columns] | None:
    """Return the series of all games that the view keeps, and the games that they refer to.

    Return None if the view cannot supply them: then the caller computes them from `window_with_context`.
    """

    def read_view() -> tuple[ViewState, tuple[Coverage, list[AllTimeSeries], Columns]] | None:
        found = all_time.all_series(conditions, sort, limit)
        return None if found is None else (found[0], (found[0].coverage, *found[1]))

    source, found = _read_view(read_view)
    if found is None:
        return None
    coverage, rows, games = found
    referenced = np.array([number for one in rows for row in one.series for number in row.ids], dtype=np.int64)
    dropped = np.setdiff1d(referenced, games.ids)
    if len(dropped):  # older than the ledger's oldest game
        games = Columns.concatenate([game_reads.games_by_id(dropped.tolist()), games])
    if not bool(np.isin(referenced, games.ids).all()):  # one was just deleted, and the view does not know it yet
        return None
    return source, coverage, rows, games


def _view_or_table(
    read_view: Callable[[], tuple[ViewState, Data] | None], read_table: Callable[[], Data]
) -> tuple[Source, Data]:
    source, found = _read_view(read_view)
    return source, found if found is not None else read_table()


def _read_view(read: Callable[[], tuple[ViewState, Data] | None]) -> tuple[Source, Data | None]:
    """Return the view's data, or None and the Source that describes the table in its place."""
    try:
        found = read()
        if found is None:
            # There is no view, or the window begins before its oldest retained game. The table's result is definitive
            # in the second case.
            view = reader.view_state()
            return _source_of_table(view, is_definitive=view is not None and is_current(view)), None
    except RedisUnavailable:  # logged once per outage (cachecore/redis_client/connections.py), not for every result
        return _source_of_table(None, is_definitive=False), None
    except ViewChangedDuringRead:
        logger.warning("reading the games table: the live view changed during every attempt to read it")
        return _source_of_table(None, is_definitive=False), None
    view, data = found
    if not is_current(view):
        return _source_of_table(view, is_definitive=False), None
    return Source("live", view.version, view.epoch, is_definitive=True), data


def is_current(view: ViewState) -> bool:
    """Return True if the view has every change of the table, or lacks only changes younger than GRACE_MS.

    A change that was marked waits among the pending games. A new game that was not marked (saved while Redis was down)
    shows in the table as a game beyond the view's newest.

    The table is read at most once per RECHECK_SECONDS for a view that was found complete. A game recorded in between is
    younger than GRACE_MS anyway.
    """
    if view.lag_ms(now_ms()) >= GRACE_MS:
        return False
    last_check = _last_complete_check.get((view.epoch, view.newest))
    if last_check is not None and time.monotonic() - last_check < RECHECK_SECONDS:
        return True
    started_at = time.monotonic()
    try:
        since = game_reads.unapplied_since(view.newest)
    except (OperationalError, InterfaceError):
        return True  # without the table nothing can contradict the view, and nothing can replace it
    if since is None:
        _last_complete_check.set((view.epoch, view.newest), started_at)
        return True
    return now_ms() - game_reads.to_ms(since) < GRACE_MS


def _source_of_table(view: ViewState | None, *, is_definitive: bool) -> Source:
    return Source("database", view.version if view else None, view.epoch if view else None, is_definitive)
