"""Queries of the live view's readers for the state machine, and their results from loops over a dictionary of games."""

from analytics.columns import Window
from analytics.conditions import parse_names
from analytics.live import all_time, window_columns
from analytics.live.reader import ViewState
from tests.analytics import oracle
from tests.analytics.view_dump import Games

KINDS = ("all", "newest", "range", "occurrences", "last", "series", "longest")


def run(kind: str, conditions: list[str], count: int, from_ms: int, to_ms: int) -> tuple[ViewState, object] | None:
    """Query the view. Return its state and the result as plain values, or None if the view cannot answer."""
    parsed = parse_names(conditions)
    match kind:
        case "all" | "newest" | "range":
            windows = {
                "all": Window("all", "all"),
                "newest": Window("games", count, count=count),
                "range": Window("range", None, from_ms=from_ms, to_ms=to_ms),
            }
            return _plain(window_columns.slices_of([windows[kind]]), lambda found: _games(found[0].columns))
        case "occurrences":
            return _plain(all_time.occurrences(parsed), lambda found: [_occurrences(one) for one in found[1]])
        case "last":
            return _plain(
                window_columns.last_met(parsed, count), lambda found: [(one.ids, one.games_since) for one in found]
            )
    sort = "time" if kind == "series" else "length"
    return _plain(all_time.all_series(parsed, sort, count), lambda found: [_series(one) for one in found[0]])


def expected_result(kind: str, games: Games, conditions: list[str], count: int, from_ms: int, to_ms: int) -> object:
    match kind:
        case "all":
            return games
        case "newest":
            return {game_id: games[game_id] for game_id in sorted(games)[-count:]}
        case "range":
            return {game_id: values for game_id, values in games.items() if values[1] and from_ms <= values[1] < to_ms}
    names = [str(condition) for condition in parse_names(conditions)]
    met = {name: [i for i in sorted(games) if oracle.meets(name, games[i][0])] for name in names}
    if kind == "occurrences":
        return [_expected_occurrences(games, met[name]) for name in names]
    if kind == "last":
        return [_expected_last(games, met[name], count) for name in names]
    return [_expected_series(kind, oracle.series(name, games)[0], games, met[name], count) for name in names]


def _plain(result, to_values) -> tuple[ViewState, object] | None:
    return None if result is None else (result[0], to_values(result[1]))


def _games(columns) -> Games:
    values = zip(columns.crash.tolist(), columns.end_ms.tolist(), strict=True)
    return dict(zip(columns.ids.tolist(), values, strict=True))


def _occurrences(found) -> tuple:
    return found.count, found.games, found.first_game_ms, found.last_game_ms


def _expected_occurrences(games: Games, met: list[int]) -> tuple:
    first, last = (games[met[0]][1] or None, games[met[-1]][1] or None) if met else (None, None)
    return len(met), len(games), first, last


def _expected_last(games: Games, met: list[int], count: int) -> tuple:
    return tuple(met[::-1][:count]), sum(game_id > met[-1] for game_id in games) if met else None


def _series(found) -> tuple:
    rows = [(one.start, one.end, one.length, one.closer, one.streak) for one in found.series]
    return rows, found.summary.count, found.summary.longest, found.summary.current, found.summary.mean


def _expected_series(kind: str, found: list[dict], games: Games, met: list[int], count: int) -> tuple:
    rows = [tuple(one.values()) for one in found][::-1]
    if not rows:
        return [], 0, None, 0 if games else None, None
    longest = sorted(rows, key=lambda row: (-row[2], -row[0]))
    current = 0 if rows[0][3] else rows[0][2]
    mean = (len(games) - len(met)) / len(rows)
    return (rows if kind == "series" else longest)[:count], len(rows), longest[0][2], current, mean
