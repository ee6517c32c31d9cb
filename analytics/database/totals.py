"""Results over all games from the table. The database counts them, so that few rows are read."""

from collections.abc import Sequence

from analytics.columns import UNKNOWN_TIME, Columns, Coverage
from analytics.compute.frequency_table import FrequencyTable, MatchingGames
from analytics.compute.last_games import LastGames
from analytics.compute.occurrences import Occurrences
from analytics.conditions import Condition
from analytics.database.column_loading import read_integers
from analytics.database.game_reads import games_by_id, to_ms
from analytics.database.large_reads import large_read
from analytics.database.snapshots import consistent_reads
from games.models import Game

# One pass over the index of crash points, whatever the number of conditions.
CRASH_POINT_FREQUENCIES = (
    "SELECT crash_hundredths, count(*) AS games, min(game_id) AS first_id, max(game_id) AS last_id"
    " FROM games_game GROUP BY crash_hundredths"
)


def last_met(conditions: Sequence[Condition], limit: int) -> tuple[Coverage, list[LastGames]]:
    """Return the coverage of all games, and the newest games that met each condition. Raises django.db.Error."""
    with consistent_reads():
        return _all_games(), [_last_met(condition, limit) for condition in conditions]


def all_occurrences(conditions: Sequence[Condition]) -> tuple[Coverage, list[Occurrences]]:
    """Return the coverage of all games, and how many met each condition. Raises django.db.Error, TableBusy."""
    with large_read(), consistent_reads():
        found = read_integers(CRASH_POINT_FREQUENCIES, ("crash_hundredths", "games", "first_id", "last_id"))
        frequencies = FrequencyTable(*found.T)
        everything, met = frequencies.all_games(), [frequencies.matching(condition) for condition in conditions]
        ends = games_by_id({game_id for one in (everything, *met) for game_id in one[1:] if game_id is not None})
    return _coverage(everything, ends), [
        Occurrences(condition, one.games, everything.games, *_times(one, ends))
        for condition, one in zip(conditions, met, strict=True)
    ]


def _coverage(everything: MatchingGames, ends: Columns) -> Coverage:
    count, first, last = everything
    missing = last - first + 1 - count if first is not None and last is not None else 0
    first_ms, last_ms = _times(everything, ends)
    return Coverage(first, last, first_ms or UNKNOWN_TIME, last_ms or UNKNOWN_TIME, count, missing, complete=True)


def _times(met: MatchingGames, ends: Columns) -> tuple[int | None, int | None]:
    """Return the end times of the first and the last game (Unix ms), or None where unknown."""
    first, last = (ends.at([game_id])[game_id][1] if game_id is not None else UNKNOWN_TIME for game_id in met[1:])
    return (first if first != UNKNOWN_TIME else None), (last if last != UNKNOWN_TIME else None)


def _last_met(condition: Condition, limit: int) -> LastGames:
    met = Game.objects.filter(crash_hundredths__range=(condition.lowest, condition.highest)).order_by("-game_id")
    ids = tuple(met.values_list("game_id", flat=True)[:limit])
    return LastGames(condition, ids, Game.objects.filter(game_id__gt=ids[0]).count() if ids else None)


def _all_games() -> Coverage:
    games = Game.objects.order_by("game_id").values_list("game_id", "end_time")
    first, last = games.first(), games.last()
    if first is None or last is None:
        return Coverage(None, None, UNKNOWN_TIME, UNKNOWN_TIME, 0, 0, complete=True)
    count = games.count()
    missing = last[0] - first[0] + 1 - count
    return Coverage(first[0], last[0], to_ms(first[1]), to_ms(last[1]), count, missing, complete=True)
