"""Parse comma-separated values with a header."""

import csv
from collections.abc import Mapping, Sequence

from games.importing.columns import REQUIRED, match_columns
from games.importing.lines import BadLine, UnreadableFile
from games.importing.values import shorten


class DelimitedFormat:
    """CSV, parsed line by line, so that an unclosed quote spoils its own line and not the rest of the file."""

    has_header = True

    def __init__(self, header: str) -> None:
        try:
            names = [name.strip() for name in split_cells(header)]
        except BadLine as error:
            undecodable = "\ufffd" in header  # for example UTF-16, for which the csv module's message is misleading
            reason = "It is not UTF-8." if undecodable else f"Its first line is not a header: {error}"
            raise UnreadableFile(reason) from error
        fields = match_columns(names)
        if missing := [field for field in REQUIRED if field not in fields]:
            raise UnreadableFile(
                f"It has no column for {' and '.join(missing)}; its first line is {shorten(header, 100)}."
            )
        self._width = len(names)
        self._positions = {field: names.index(name) for field, name in fields.items()}
        self.ignored: Sequence[str] = [name for name in names if name and name not in fields.values()]

    def values(self, line: str) -> Mapping[str, str]:
        found = split_cells(line)
        if not any(cell.strip() for cell in found):
            raise BadLine("Every column is empty.")
        found = fit_to_width(self._width, found)
        return {field: found[position] for field, position in self._positions.items()}


def fit_to_width(width: int, found: list[str]) -> list[str]:
    """Return the cells, without surplus empty ones. Raises BadLine if the number of cells is not `width`.

    A thousands comma without quotes adds a cell, two joined rows add several, and a truncated line lacks some. It
    would then be a guess which value belongs to which column.
    """
    while len(found) > width and not found[-1].strip():
        found = found[:-1]
    if len(found) != width:
        raise BadLine(f"Expected {width} columns, got {len(found)}.")
    return found


def split_cells(line: str) -> list[str]:
    """Return the cells of one line. Raises BadLine."""
    try:
        return next(csv.reader([line], strict=True, skipinitialspace=True), [])
    except csv.Error as error:
        raise BadLine(f"Not comma-separated values: {error}.") from error
