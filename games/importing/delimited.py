"""Comma-separated values under a header."""

import csv
from collections.abc import Mapping, Sequence

from games.importing.columns import REQUIRED, match
from games.importing.lines import BadLine, UnreadableFile
from games.importing.values import cut


class Delimited:
    """Every line stands alone: a quote that is never closed costs its own line and not the rest of the file."""

    has_header = True

    def __init__(self, header: str) -> None:
        try:
            names = [name.strip() for name in cells(header)]
        except BadLine as error:
            strange = "\ufffd" in header  # such as UTF-16, of which the csv module has only puzzling things to say
            raise UnreadableFile("It is not UTF-8." if strange else f"Its first line is no header: {error}") from error
        fields = match(names)
        if missing := [field for field in REQUIRED if field not in fields]:
            raise UnreadableFile(f"It has no column for {' and '.join(missing)}; its first line is {cut(header, 100)}.")
        self._width = len(names)
        self._positions = {field: names.index(name) for field, name in fields.items()}
        self.ignored: Sequence[str] = [name for name in names if name and name not in fields.values()]

    def values(self, line: str) -> Mapping[str, str]:
        found = cells(line)
        if not any(cell.strip() for cell in found):
            raise BadLine("Every column is empty.")
        found = exactly(self._width, found)
        return {field: found[position] for field, position in self._positions.items()}


def exactly(width: int, found: list[str]) -> list[str]:
    """Empty cells too many are cut off. Raises BadLine.

    Otherwise a thousands comma without quotes makes a cell too many, two rows run together make more, and a
    line that was cut one too few: which value is whose is a guess.
    """
    while len(found) > width and not found[-1].strip():
        found = found[:-1]
    if len(found) != width:
        raise BadLine(f"Expected {width} columns, got {len(found)}.")
    return found


def cells(line: str) -> list[str]:
    """Raises BadLine."""
    try:
        return next(csv.reader([line], strict=True, skipinitialspace=True), [])
    except csv.Error as error:
        raise BadLine(f"Not comma-separated values: {error}.") from error
