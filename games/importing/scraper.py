"""Parse the files of a scraper of Bustabit: `0,"Date:  Wed, 01 Jan 2020 00:00:07 GMT6 months ago",Game #2699754, 2x`.

The file may have a header, and empty columns at the end. The date is the start of the round in GMT, followed by the
page's own "6 months ago".
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Self

from games.importing.delimited import fit_to_width, split_cells
from games.importing.lines import BadLine
from games.importing.values import shorten

HEADER = ["serial", "timestamp", "gameid", "value"]
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

_DATE = re.compile(
    r"date:\s*[a-z]{3}, ([0-9]{1,2}) ([a-z]{3}) ([0-9]{4}) ([0-9]{2}):([0-9]{2}):([0-9]{2}) GMT.*",
    re.IGNORECASE,
)
_GAME = re.compile(r"game\s*#", re.IGNORECASE)


class ScraperFormat:
    """Rows of a scraped page."""

    ignored: Sequence[str] = ()

    def __init__(self, *, has_header: bool) -> None:
        self.has_header = has_header

    @classmethod
    def recognise(cls, sample: Sequence[str]) -> Self | None:
        """Return the format if a line of the sample looks scraped, else None."""
        if any(_looks_scraped(line) for line in sample):
            return cls(has_header=_cells_or_none(sample[0])[:4] == HEADER)
        return None

    def values(self, line: str) -> Mapping[str, str]:
        found = [cell.strip() for cell in split_cells(line)]
        if not any(found):
            raise BadLine("Every column is empty.")
        _, date, game, crash_point = fit_to_width(len(HEADER), found)
        return {
            "game_id": game,
            "crash_point": crash_point,
            "begin_time": parse_start_time(date) if _GAME.match(game) else "",
        }


def parse_start_time(date: str) -> str:
    """Return a scraped date in ISO 8601. Raises BadLine.

    strptime is not used, because it reads the month names of the current locale.
    """
    found = _DATE.fullmatch(date)
    try:
        if found is None:
            raise ValueError("no date")
        day, month, year, hour, minute, second = found.groups()
        number = MONTHS.index(month.title()) + 1
        return datetime(int(year), number, int(day), int(hour), int(minute), int(second), tzinfo=UTC).isoformat()
    except ValueError as error:
        raise BadLine(
            f"begin_time: expected a date such as 'Wed, 01 Jan 2020 00:00:07 GMT', got {shorten(date)}."
        ) from error


def _looks_scraped(line: str) -> bool:
    found = _cells_or_none(line)
    return len(found) >= len(HEADER) and bool(_DATE.fullmatch(found[1]) and _GAME.match(found[2]))


def _cells_or_none(line: str) -> list[str]:
    try:
        return [cell.strip() for cell in split_cells(line)]
    except BadLine:
        return []
