"""Match the columns of a file to fields, by the names that sources use."""

import re
from collections.abc import Iterable

# If a file has several columns for one field, the name that comes first here wins. A file with `game_id` uses `id` as
# a row number, and a file with BC.Game's `odds` (6.63) has hundredths in `crash` (663).
ALIASES: dict[str, tuple[str, ...]] = {
    "game_id": ("gameid", "id"),
    "hash": ("hash", "hashfromchain", "gamehash"),
    "crash_point": (
        *("crashpoint", "odds", "rate", "crash", "bust", "bustrecorded"),
        *("crashedat", "multiplier", "value"),
    ),
    "prepare_time": ("preparetime",),
    "begin_time": ("begintime", "starttime", "timerecorded"),  # Bustabit's recorded time is the start
    "end_time": ("endtime",),
}
REQUIRED = ("game_id", "crash_point")


def match_columns(names: Iterable[str]) -> dict[str, str]:
    """Return field -> name of its column. `gameId`, `Game ID` and `game_id` are the same name."""
    by_alias: dict[str, str] = {}
    for name in names:
        by_alias.setdefault(re.sub(r"[^a-z0-9]", "", name.lower()), name)
    found = {
        field: next((by_alias[alias] for alias in aliases if alias in by_alias), None)
        for field, aliases in ALIASES.items()
    }
    return {field: name for field, name in found.items() if name is not None}
