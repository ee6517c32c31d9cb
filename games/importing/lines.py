"""The lines of a file, plain or gzipped, one at a time and none longer than MAX_LINE_BYTES in memory."""

import gzip
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

GZIP_MAGIC = b"\x1f\x8b"  # the first bytes decide: names lie
MAX_LINE_BYTES = 64 * 1024


class UnreadableFile(Exception):
    """Nothing in the file can be read; the message says why."""


class BadLine(ValueError):
    """This line cannot be recorded; the message says why. The others can."""


class LineFile:
    """Iterate over (line number from 1, text). What is not UTF-8 becomes U+FFFD and fails where it matters."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = path.stat().st_size
        self._raw = path.open("rb")
        zipped = self._raw.peek(2)[:2] == GZIP_MAGIC
        self._bytes: BinaryIO = gzip.GzipFile(fileobj=self._raw) if zipped else self._raw  # type: ignore[assignment]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bytes.close()
        self._raw.close()

    @property
    def bytes_read(self) -> int:
        """Of the file as it lies there, so that progress over a gzipped one has an end."""
        return self._raw.tell()

    def __iter__(self) -> Iterator[tuple[int, str]]:
        for number, line in enumerate(iter(self._next_line, b""), 1):
            yield number, line.decode("utf-8-sig" if number == 1 else "utf-8", "replace").rstrip("\r\n")

    def _next_line(self) -> bytes:
        """A line that is too long is cut one byte beyond the limit: enough to tell, and its rest is skipped."""
        line = rest = self._bytes.readline(MAX_LINE_BYTES + 1)
        while len(rest) > MAX_LINE_BYTES and not rest.endswith(b"\n"):
            rest = self._bytes.readline(MAX_LINE_BYTES + 1)
        return line


def require_length(line: str) -> None:
    """Raises BadLine."""
    if len(line.encode()) > MAX_LINE_BYTES:
        raise BadLine(f"The line is longer than {MAX_LINE_BYTES} bytes.")
