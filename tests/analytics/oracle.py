"""A test oracle: the live view recomputed with plain loops over dictionaries.

It shares nothing with the code under test, and contains only the keys and cells that docs/architecture.md documents.
"""

from collections import Counter

CHUNK = 4096
BUCKET = 600


def meets(condition: str, crash: int) -> bool:
    kind, _, text = condition.partition(":")
    if kind == "floor":
        return crash // 100 == int(text)
    bound = round(float(text) * 100)
    return crash >= bound if kind == "min" else crash <= bound


def expected_cells(
    games: dict[int, tuple[int, int]], conditions: list[str], oldest_bucket: int = 0, oldest_retained_id: int = 0
) -> dict:
    """Return the expected cells of a view by key. `games` maps id to (hundredths, end ms or 0)."""
    cells: dict = {"state": _state(games)}
    retained = {game_id: values for game_id, values in games.items() if game_id >= oldest_retained_id}
    cells["chunks"] = _chunks(retained)
    cells["ledger"] = retained
    cells["intervals:all"] = _buckets(games.values(), oldest_bucket)
    for condition in conditions:
        met = {game_id: values for game_id, values in games.items() if meets(condition, values[0])}
        cells[f"occurrences:{condition}"] = _occurrences(met, len(games))
        cells[f"intervals:{condition}"] = _buckets(met.values(), oldest_bucket)
        cells |= _series(condition, games)
    return cells


def _state(games: dict[int, tuple[int, int]]) -> dict[str, int]:
    if not games:
        return {"games": 0}
    first, head = min(games), max(games)
    return {
        "games": len(games),
        "first": first,
        "first_time": games[first][1],
        "head": head,
        "head_time": games[head][1],
    }


def _chunks(games: dict[int, tuple[int, int]]) -> dict[int, tuple[int, int]]:
    """Return the number of games and of games with a known end time, by chunk."""
    counts, timed = Counter(), Counter()
    for game_id, (_, end_ms) in games.items():
        counts[game_id // CHUNK] += 1
        timed[game_id // CHUNK] += end_ms != 0
    return {number: (counts[number], timed[number]) for number in counts}


def _occurrences(met: dict[int, tuple[int, int]], total: int) -> dict[str, int]:
    cells = {"count": len(met), "total_games": total}
    if met:
        first, last = min(met), max(met)
        cells |= {
            "first_game": first,
            "first_game_time": met[first][1],
            "last_game": last,
            "last_game_time": met[last][1],
        }
    return cells


def series(condition: str, games: dict[int, tuple[int, int]]) -> tuple[list[dict], int]:
    """Return every series, oldest first, and the number of games before the first one."""
    found: list[dict] = []
    leading = 0
    for game_id in sorted(games):
        if not meets(condition, games[game_id][0]):
            if not found or found[-1]["closer"]:
                found.append({"start": game_id, "end": game_id, "length": 0, "closer": 0, "streak": 0})
            found[-1]["end"] = game_id
            found[-1]["length"] += 1
        elif found:
            found[-1]["closer"] = found[-1]["closer"] or game_id
            found[-1]["streak"] += 1
        else:
            leading += 1
    return found, leading


def _series(condition: str, games: dict[int, tuple[int, int]]) -> dict:
    found, leading = series(condition, games)
    if not found:
        newest = (0, 0, 0, 0, leading, 0)
        return {f"series:{condition}": newest, f"series:closed:{condition}": {}, f"series:longest:{condition}": {}}
    closed = [tuple(one.values()) for one in found[:-1]]
    longest = sorted(closed, key=lambda one: (one[2], one[0]))[-10:]
    return {
        f"series:{condition}": (*found[-1].values(), len(closed)),
        f"series:closed:{condition}": {one: one[1] for one in closed[-1000:]},
        f"series:longest:{condition}": {one: one[2] for one in longest},
    }


def _buckets(games, oldest_bucket: int) -> dict[int, int]:
    starts = Counter(end_ms // 1000 // BUCKET * BUCKET for _, end_ms in games if end_ms)
    return {start: count for start, count in starts.items() if start >= oldest_bucket}
