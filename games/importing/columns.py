"""Which column of a file is which field, by the names that sources use."""

import re
from collections.abc import Iterable

# Of several names for one field in a file the first one here wins: beside `game_id`, an `id` is a row's number,
# and beside BC.Game's `odds` (6.63) its `crash` is in hundredths (663).
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


def match(names: Iterable[str]) -> dict[str, str]:
    """Field -> the name of its column here. `gameId`, `Game ID` and `game_id` are one name."""
    by_alias: dict[str, str] = {}
    for name in names:
        by_alias.setdefault(re.sub(r"[^a-z0-9]", "", name.lower()), name)
    found = {
        field: next((by_alias[alias] for alias in aliases if alias in by_alias), None)
        for field, aliases in ALIASES.items()
    }
    return {field: name for field, name in found.items() if name is not None}
