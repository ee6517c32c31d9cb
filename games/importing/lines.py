"""Read the lines of a plain or gzipped file, one at a time, with at most MAX_LINE_BYTES of a line in memory."""

import gzip
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

GZIP_MAGIC = b"\x1f\x8b"  # the first bytes decide, because file names are not reliable
MAX_LINE_BYTES = 64 * 1024


class UnreadableFile(Exception):
    """No line of the file can be read. The message says why."""


class BadLine(ValueError):
    """The line cannot be recorded, which does not affect the others. The message says why."""


class LineFile:
    """Iterates over (line number from 1, text).

    Bytes that are not UTF-8 become U+FFFD, which the parsers reject where the text matters.
    """

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
        """Bytes read from the file on disk: compressed ones for a gzipped file, so that progress ends at its size."""
        return self._raw.tell()

    def __iter__(self) -> Iterator[tuple[int, str]]:
        for number, line in enumerate(iter(self._next_line, b""), 1):
            yield number, line.decode("utf-8-sig" if number == 1 else "utf-8", "replace").rstrip("\r\n")

    def _next_line(self) -> bytes:
        """Return the next line, b"" at the end.

        A line that is too long is cut one byte beyond the limit, so that `require_length` rejects it.
        """
        line = rest = self._bytes.readline(MAX_LINE_BYTES + 1)
        while len(rest) > MAX_LINE_BYTES and not rest.endswith(b"\n"):
            rest = self._bytes.readline(MAX_LINE_BYTES + 1)
        return line


def require_length(line: str) -> None:
    """Raise BadLine if the line is longer than MAX_LINE_BYTES."""
    if len(line.encode()) > MAX_LINE_BYTES:
        raise BadLine(f"The line is longer than {MAX_LINE_BYTES} bytes.")
