"""The output of several processes as one: each line with its time and the name of its process."""

import os
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import IO

MAX_LINE_BYTES = 65_536  # a longer line is cut into several
COLOURS = (36, 33, 35, 32, 34, 96)  # ANSI foreground colours, in the order in which names appear
OWN_NAME = "stack"


class Output:
    """Standard output, shared by one reading thread for each process."""

    def __init__(self, on_lost: Callable[[], None]) -> None:
        """Call `on_lost` once when standard output cannot be written any more."""
        self._on_lost = on_lost
        self._lost = False
        self._lock = threading.Lock()
        self._colours: dict[str, int] = {}
        self._readers: list[threading.Thread] = []
        self._in_colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ

    def follow(self, name: str, stream: IO[bytes]) -> None:
        """Print the lines of `stream` until its end, in a thread."""
        reader = threading.Thread(target=self._read, args=(name, stream), name=f"output of {name}", daemon=True)
        self._readers = [other for other in self._readers if other.is_alive()] + [reader]
        reader.start()

    def report(self, line: str) -> None:
        """Print a line of the supervisor's own."""
        self._print_line(OWN_NAME, line)

    def announce(self, text: str) -> None:
        """Print lines without time and name: what a person waits for."""
        self._write(text + "\n")

    def close(self, seconds: float) -> None:
        """Wait until all was printed, `seconds` at most: a process may have left its pipe open elsewhere."""
        deadline = time.monotonic() + seconds
        for reader in self._readers:
            reader.join(max(0.0, deadline - time.monotonic()))

    def _read(self, name: str, stream: IO[bytes]) -> None:
        with suppress(OSError, ValueError), stream:
            while line := stream.readline(MAX_LINE_BYTES):
                self._print_line(name, line.decode(errors="replace").rstrip("\r\n"))

    def _print_line(self, name: str, line: str) -> None:
        prefix = f"{datetime.now():%H:%M:%S} {name:<7} |"  # noqa: DTZ005  a terminal's time is local
        if self._in_colour:
            prefix = f"\033[{self._colour(name)}m{prefix}\033[0m"
        self._write(f"{prefix} {line}\n")

    def _colour(self, name: str) -> int:
        return self._colours.setdefault(name, COLOURS[len(self._colours) % len(COLOURS)])

    def _write(self, text: str) -> None:
        with self._lock:
            if self._lost:
                return
            try:
                sys.stdout.write(text)
                sys.stdout.flush()
            except (OSError, ValueError):
                self._lost = True
                _discard_standard_output()
                self._on_lost()


def _discard_standard_output() -> None:
    """Let the interpreter's last flush succeed. https://docs.python.org/3/library/signal.html#note-on-sigpipe"""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
