"""The games of windows, read from the table, with one statement per window unless there are very many games.

The statements are written as SQL because building them with the ORM takes longer than running them.
"""

from collections.abc import Sequence
from contextlib import nullcontext

from django.db import connection
from django.db.models import QuerySet

from analytics.columns import Columns, Slice, Window, WindowWithContext
from analytics.conditions import Condition
from analytics.database.column_loading import read_columns
from analytics.database.game_reads import load_blocks, newest_id
from analytics.database.large_reads import LARGE_READ_GAMES, large_read
from analytics.database.snapshots import consistent_reads
from games.models import Game
from games.times import from_unix_ms

GAMES = "SELECT game_id, crash_hundredths, end_time FROM games_game "
NEWEST = GAMES + "ORDER BY game_id DESC LIMIT %s OFFSET %s"
ENDED_BETWEEN = GAMES + "WHERE end_time >= %s AND end_time < %s LIMIT %s"
RECORDED_BETWEEN = GAMES + "WHERE game_id BETWEEN %s AND %s"
RECORDED_SINCE = GAMES + "WHERE game_id >= {first} ORDER BY game_id DESC LIMIT %s"

# Additional results of read_columns about the games that were `found`.
RECORDED = "(SELECT count(*) FROM games_game WHERE game_id BETWEEN found.first_id AND found.last_id)"
ENDED_BEFORE = "(SELECT min(end_time) FROM games_game WHERE end_time IS NOT NULL) <= %s"

# The context of a window. The series that contains a {game} begins after the newest game, up to {game}, that met the
# condition. The streak after the series ends before the next game that does not meet it. On SQLite {crash} has a unary
# plus, which disables the index on crash points: SQLite would otherwise sort all games that met the condition, although
# a walk from {game} soon finds one. PostgreSQL chooses the shorter way by itself.
ENDS = "SELECT (SELECT min(game_id) FROM games_game), (SELECT max(game_id) FROM games_game), "
NEWEST_IDS = "(SELECT game_id FROM games_game ORDER BY game_id DESC LIMIT %s)"
MET_UP_TO = (
    "(SELECT game_id FROM games_game WHERE game_id <= {game} AND {crash} BETWEEN %s AND %s"
    " ORDER BY game_id DESC LIMIT 1)"
)
MISSED_AFTER = (
    "(SELECT game_id FROM games_game WHERE {crash} NOT BETWEEN %s AND %s AND game_id > (SELECT game_id"
    " FROM games_game WHERE game_id >= {game} AND {crash} BETWEEN %s AND %s ORDER BY game_id LIMIT 1)"
    " ORDER BY game_id LIMIT 1)"
)


def slices_of(windows: Sequence[Window]) -> list[Slice]:
    """Return the games of these windows. Raises django.db.Error, TableBusy."""
    with consistent_reads() if len(windows) > 1 else nullcontext():
        return [_slice(window) for window in windows]


def window_with_context(window: Window, conditions: Sequence[Condition]) -> WindowWithContext:
    """Return a window together with every series of these conditions that has a game in it.

    Raises django.db.Error, TableBusy.
    """
    if window.kind == "games" and not window.skip:
        context = _load_newest_with_context(window.count, conditions)
        if len(context) <= LARGE_READ_GAMES:
            return WindowWithContext(_newest_slice(window, context), context, reaches_newest=True)
    with consistent_reads():
        found = _slice(window)
        if window.kind == "all" or not len(found.columns):
            return WindowWithContext(found, found.columns, reaches_newest=True)
        return WindowWithContext(
            found, _load_context(found, conditions), reaches_newest=found.coverage.last_game == newest_id()
        )


def _slice(window: Window) -> Slice:
    if window.kind == "all":
        everything = _load_large(Game.objects.all())
        return Slice(everything, len(everything), reaches_back=True)
    if window.kind == "games":
        newest, _ = read_columns(NEWEST, parameters=(window.count, window.skip))
        return Slice(newest, len(newest), reaches_back=len(newest) == window.count)
    start, end = from_unix_ms(window.from_ms), from_unix_ms(window.to_ms)
    inside, (recorded, earlier) = read_columns(
        ENDED_BETWEEN, RECORDED, ENDED_BEFORE, parameters=(start, end, LARGE_READ_GAMES + 1, start)
    )
    if len(inside) <= LARGE_READ_GAMES:
        return Slice(inside, recorded, bool(earlier))
    with consistent_reads():
        inside = _load_large(Game.objects.filter(end_time__gte=start, end_time__lt=end))
        recorded = Game.objects.filter(game_id__range=_ends(inside)).count()
        return Slice(inside, recorded, Game.objects.filter(end_time__lte=start).exists())


def _newest_slice(window: Window, context: Columns) -> Slice:
    newest = context.newest(window.count)
    return Slice(newest, len(newest), reaches_back=len(newest) == window.count)


def _load_newest_with_context(count: int, conditions: Sequence[Condition]) -> Columns:
    """Load the newest `count` games and the older games of their series, at most LARGE_READ_GAMES + 1 games."""
    if not conditions:
        return read_columns(NEWEST, parameters=(count, 0))[0]
    starts = ", ".join([f"coalesce({_format_nearest('oldest.id', MET_UP_TO)}, 0)"] * len(conditions))
    least = "min" if connection.vendor == "sqlite" else "least"
    oldest = f"(SELECT min(game_id) AS id FROM {NEWEST_IDS} AS newest) AS oldest"  # noqa: S608 - constants
    games = RECORDED_SINCE.format(first=f"(SELECT {least}(oldest.id, {starts}) FROM {oldest})")  # noqa: S608
    ranges = [bound for condition in conditions for bound in (condition.lowest, condition.highest)]
    return read_columns(games, parameters=(*ranges, count, LARGE_READ_GAMES + 1))[0]


def _load_context(found: Slice, conditions: Sequence[Condition]) -> Columns:
    """Load all recorded games from the first to the last one found, and the games of their series."""
    if not conditions and found.recorded_between == len(found.columns):
        return found.columns
    first, last = _ends(found.columns)
    if conditions:
        first, last = _with_series(first, last, conditions)
    if last - first < LARGE_READ_GAMES:
        return read_columns(RECORDED_BETWEEN, parameters=(first, last))[0]
    return _load_large(Game.objects.filter(game_id__range=(first, last)))


def _with_series(first: int, last: int, conditions: Sequence[Condition]) -> tuple[int, int]:
    """Return the first and the last id of the series that have games in [first, last], including their streaks."""
    begin, end = _format_nearest("%s", MET_UP_TO), _format_nearest("%s", MISSED_AFTER)
    parameters: list[int] = []
    for condition in conditions:
        bounds = condition.lowest, condition.highest
        parameters += (first, *bounds, *bounds, last, *bounds)
    with connection.cursor() as cursor:
        cursor.execute(ENDS + ", ".join([begin, end] * len(conditions)), parameters)
        oldest, newest, *found = cursor.fetchone()
    begins, ends = found[::2], found[1::2]
    first = oldest if None in begins else min(begins)
    return first, newest if None in ends else max(ends)


def _format_nearest(game: str, statement: str) -> str:
    crash = "+crash_hundredths" if connection.vendor == "sqlite" else "crash_hundredths"
    return statement.format(game=game, crash=crash)


def _load_large(games: QuerySet[Game]) -> Columns:
    """Load very many games, in blocks and as a large read. Raises TableBusy."""
    with large_read(), consistent_reads():
        return Columns.concatenate(list(load_blocks(games)))


def _ends(games: Columns) -> tuple[int, int]:
    return (int(games.ids[0]), int(games.ids[-1])) if len(games) else (0, 0)
