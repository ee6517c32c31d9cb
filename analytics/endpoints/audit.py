"""Can the games be believed? Hashes, chain, gaps, and the fit to the site's law."""

from typing import Any

from analytics import sources
from analytics.columns import Columns, Coverage, Window
from analytics.compute.audit import fit, gaps
from analytics.compute.distribution import DEFAULT_EDGES, distribution
from analytics.database.snapshots import one_moment
from analytics.database.window_columns import stretch_of
from analytics.endpoints.common import computed, site_law
from analytics.endpoints.distribution import told
from analytics.query import AuditQuery
from cachecore.clock import now_ms
from cachecore.responses.caching import ComputedResult
from games.models import Game
from games.selectors import Exceptions, exceptions
from games.times import from_unix_ms

LISTED = 100  # of mismatched games, breaks and gaps each, newest first; all are counted


def answer(query: AuditQuery) -> ComputedResult:
    """Verdicts are the table's, the rest the window's source's; where these are of different games, all the table's."""
    now = now_ms()
    window = query.window(now)
    source, stretch = sources.stretch_of(window, [])
    found = _exceptions(stretch.window.coverage, window)
    if found.games != stretch.window.coverage.games:  # of games that are not yet applied
        source = source.makeshift
        with one_moment():
            stretch = stretch_of(window, [])
            found = _exceptions(stretch.window.coverage, window)
    covered = stretch.window.coverage
    result = _verdicts(found) | {"gaps": _gaps(stretch.recorded), "fit": _fit(stretch.window.columns)}
    return computed([result], source, window, covered, now, query.zone)


def _exceptions(covered: Coverage, window: Window) -> Exceptions:
    games = Game.objects.filter(game_id__range=(covered.first_game or 0, covered.last_game or 0))
    if window.of_time:
        games = games.filter(end_time__gte=from_unix_ms(window.from_ms), end_time__lt=from_unix_ms(window.to_ms))
    return exceptions(games, LISTED)


def _verdicts(found: Exceptions) -> dict[str, Any]:
    return {
        "verified": found.games - found.mismatched - found.unverifiable,
        "mismatched": found.mismatched,
        "unverifiable": found.unverifiable,
        "mismatched_games": found.mismatched_games,
        "chain": {
            "linked": found.games - found.broken - found.not_checkable,
            "broken": found.broken,
            "not_checkable": found.not_checkable,
            "broken_games": found.broken_games,
        },
    }


def _gaps(recorded: Columns) -> dict[str, Any]:
    missing = gaps(recorded)
    return {
        "count": len(missing),
        "missing_games": sum(gap.games for gap in missing),
        "ranges": [{"first_game": gap.first, "last_game": gap.last, "games": gap.games} for gap in missing[:LISTED]],
    }


def _fit(games: Columns) -> dict[str, Any]:
    bins = distribution(games, DEFAULT_EDGES, site_law())
    tested = fit(bins)
    return {
        "chi_square": None if tested.chi_square is None else round(tested.chi_square, 4),
        "degrees_of_freedom": tested.degrees_of_freedom,
        "p_value": None if tested.p_value is None else round(tested.p_value, 6),
        "bins": told(bins, len(games)),
    }
