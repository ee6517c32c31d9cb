"""The formats that can be imported, and how the format of a file is detected."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from games.importing.delimited import DelimitedFormat
from games.importing.jsonlines import JsonLinesFormat
from games.importing.lines import UnreadableFile
from games.importing.scraper import ScraperFormat


class FileFormat(Protocol):
    """A parser for the lines of one file."""

    has_header: bool

    @property
    def ignored(self) -> Sequence[str]:
        """The names of the columns that match no field."""

    def values(self, line: str) -> Mapping[str, str]:
        """Return field -> text of one line. Raises BadLine."""


def detect_format(sample: Sequence[str]) -> FileFormat:
    """Return the format of a file. `sample` are its first lines that are not blank. Raises UnreadableFile."""
    if not sample:
        raise UnreadableFile("The file is empty.")
    first = sample[0].lstrip()
    if first.startswith("["):
        raise UnreadableFile("It is one JSON array. Expected JSON lines, with one object per line.")
    if first.startswith("{"):
        return JsonLinesFormat(sample)
    return ScraperFormat.recognise(sample) or DelimitedFormat(sample[0])
