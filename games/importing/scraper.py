"""What a scraper of Bustabit's pages leaves: `0,"Date:  Wed, 01 Jan 2020 00:00:07 GMT6 months ago",Game #2699754, 2x`.

With or without its header, with empty columns at the end. The date is the start of the round, in GMT; what follows
it is the page's own "6 months ago".
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Self

from games.importing.delimited import cells, exactly
from games.importing.lines import BadLine
from games.importing.values import cut

HEADER = ["serial", "timestamp", "gameid", "value"]
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

_DATE = re.compile(
    r"date:\s*[a-z]{3}, ([0-9]{1,2}) ([a-z]{3}) ([0-9]{4}) ([0-9]{2}):([0-9]{2}):([0-9]{2}) GMT.*",
    re.IGNORECASE,
)
_GAME = re.compile(r"game\s*#", re.IGNORECASE)


class Scraper:
    ignored: Sequence[str] = ()

    def __init__(self, *, has_header: bool) -> None:
        self.has_header = has_header

    @classmethod
    def recognise(cls, sample: Sequence[str]) -> Self | None:
        if any(_looks_scraped(line) for line in sample):
            return cls(has_header=_cells_or_none(sample[0])[:4] == HEADER)
        return None

    def values(self, line: str) -> Mapping[str, str]:
        found = [cell.strip() for cell in cells(line)]
        if not any(found):
            raise BadLine("Every column is empty.")
        _, date, game, crash_point = exactly(len(HEADER), found)
        return {
            "game_id": game,
            "crash_point": crash_point,
            "begin_time": start(date) if _GAME.match(game) else "",
        }


def start(date: str) -> str:
    """ISO 8601 of a scraped date. The locale's month names are not asked, as strptime would."""
    found = _DATE.fullmatch(date)
    try:
        if found is None:
            raise ValueError("no date")
        day, month, year, hour, minute, second = found.groups()
        number = MONTHS.index(month.title()) + 1
        return datetime(int(year), number, int(day), int(hour), int(minute), int(second), tzinfo=UTC).isoformat()
    except ValueError as error:
        raise BadLine(
            f"begin_time: expected a date such as 'Wed, 01 Jan 2020 00:00:07 GMT', got {cut(date)}."
        ) from error


def _looks_scraped(line: str) -> bool:
    found = _cells_or_none(line)
    return len(found) >= len(HEADER) and bool(_DATE.fullmatch(found[1]) and _GAME.match(found[2]))


def _cells_or_none(line: str) -> list[str]:
    try:
        return [cell.strip() for cell in cells(line)]
    except BadLine:
        return []
