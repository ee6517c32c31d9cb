"""Write rejected lines to a report, as JSON lines."""

import json
from pathlib import Path
from types import TracebackType
from typing import IO, Self

MAX_LINE_LENGTH = 200


class UnwritableReport(Exception):
    """The report cannot be written. The import stops, because rejected lines would be lost."""


class Report:
    """The report file, which is created by the first rejected line."""

    def __init__(self, path: Path, *, append: bool = False) -> None:
        self.path = path
        self.count = 0
        self._mode = "a" if append else "w"
        self._file: IO[str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()

    def add(self, *, file: str, line: int, reason: str, text: str) -> None:
        """Append a rejected line. Raises UnwritableReport."""
        rejected = {"file": file, "line": line, "reason": reason, "text": text[:MAX_LINE_LENGTH]}
        try:
            if self._file is None:
                self._file = self.path.open(self._mode, encoding="utf-8")
            self._file.write(json.dumps(rejected) + "\n")
        except OSError as error:
            raise UnwritableReport(f"The report {self.path} cannot be written: {error.strerror}.") from error
        self.count += 1
