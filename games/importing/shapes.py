"""The shapes a file may have, and which one it has."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from games.importing.delimited import Delimited
from games.importing.jsonlines import JsonLines
from games.importing.lines import UnreadableFile
from games.importing.scraper import Scraper


class Shape(Protocol):
    """`values` turns one line into field -> text and raises BadLine. `ignored` names columns of no use."""

    has_header: bool

    @property
    def ignored(self) -> Sequence[str]: ...

    def values(self, line: str) -> Mapping[str, str]: ...


def shape_of(sample: Sequence[str]) -> Shape:
    """Decide by a file's first lines that are not blank. Raises UnreadableFile."""
    if not sample:
        raise UnreadableFile("The file is empty.")
    first = sample[0].lstrip()
    if first.startswith("["):
        raise UnreadableFile("Expected JSON lines, one object in each line; this is one JSON array.")
    if first.startswith("{"):
        return JsonLines(sample)
    return Scraper.recognise(sample) or Delimited(sample[0])
