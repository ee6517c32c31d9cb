"""One JSON object in each line; lines may differ in their keys."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from games.importing.columns import REQUIRED, match
from games.importing.lines import BadLine, UnreadableFile
from games.importing.values import cut

MAX_IGNORED = 20  # names remembered to be told; the keys of a file have no end


class JsonLines:
    has_header = False

    def __init__(self, sample: Sequence[str]) -> None:
        self._fields: dict[tuple[str, ...], dict[str, str]] = {}
        self.ignored: list[str] = []
        if not any(set(REQUIRED) <= self._keys(line) for line in sample):
            raise UnreadableFile(
                f"Its first lines have no key for {' and '.join(REQUIRED)}; the first is {cut(sample[0], 100)}."
            )
        self.ignored.clear()

    def values(self, line: str) -> Mapping[str, str]:
        told = _object(line)
        return {field: _text(told[name]) for field, name in self._match(tuple(told)).items()}

    def _keys(self, line: str) -> set[str]:
        try:
            return set(self.values(line))
        except BadLine:
            return set()

    def _match(self, names: tuple[str, ...]) -> dict[str, str]:
        if names not in self._fields:
            if len(self._fields) >= MAX_IGNORED:
                self._fields.clear()
            self._fields[names] = match(names)
        fields = self._fields[names]
        for name in names:
            if name not in fields.values() and name not in self.ignored and len(self.ignored) < MAX_IGNORED:
                self.ignored.append(name)
        return fields


def _object(line: str) -> dict[str, Any]:
    """Numbers stay the text they are written as, so that no crash point passes through a float."""
    try:
        told = json.loads(line, parse_float=str, parse_int=str, parse_constant=str)
    except (ValueError, RecursionError) as error:
        raise BadLine(f"Not JSON: {error}.") from error
    if not isinstance(told, dict):
        raise BadLine("Expected a JSON object.")
    return told


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)
