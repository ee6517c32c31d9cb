"""Parse JSON lines: one JSON object per line. The lines may differ in their keys."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from games.importing.columns import REQUIRED, match_columns
from games.importing.lines import BadLine, UnreadableFile
from games.importing.values import shorten

MAX_IGNORED = 20  # ignored names that are listed; a file may have any number of keys


class JsonLinesFormat:
    has_header = False

    def __init__(self, sample: Sequence[str]) -> None:
        self._fields: dict[tuple[str, ...], dict[str, str]] = {}
        self.ignored: list[str] = []
        if not any(set(REQUIRED) <= self._keys(line) for line in sample):
            raise UnreadableFile(
                f"Its first lines have no key for {' and '.join(REQUIRED)}; the first is {shorten(sample[0], 100)}."
            )
        self.ignored.clear()

    def values(self, line: str) -> Mapping[str, str]:
        object_ = _parse_object(line)
        return {field: _text(object_[name]) for field, name in self._match(tuple(object_)).items()}

    def _keys(self, line: str) -> set[str]:
        try:
            return set(self.values(line))
        except BadLine:
            return set()

    def _match(self, names: tuple[str, ...]) -> dict[str, str]:
        if names not in self._fields:
            if len(self._fields) >= MAX_IGNORED:
                self._fields.clear()
            self._fields[names] = match_columns(names)
        fields = self._fields[names]
        for name in names:
            if name not in fields.values() and name not in self.ignored and len(self.ignored) < MAX_IGNORED:
                self.ignored.append(name)
        return fields


def _parse_object(line: str) -> dict[str, Any]:
    """Return the object of a line, with numbers as text, so that no crash point passes through a float.

    Raises BadLine.
    """
    try:
        value = json.loads(line, parse_float=str, parse_int=str, parse_constant=str)
    except (ValueError, RecursionError) as error:
        raise BadLine(f"Not JSON: {error}.") from error
    if not isinstance(value, dict):
        raise BadLine("Expected a JSON object.")
    return value


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)
