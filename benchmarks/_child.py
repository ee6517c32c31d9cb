"""A module in a process of its own, which answers lines with lines."""

import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

SECONDS = 120.0  # then it is ended, and whoever waits for a line is told


class Child:
    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def line(self) -> str:
        """Its next line. Raises RuntimeError when there is none."""
        assert self._process.stdout is not None
        line: str = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._process.args!r} ended, or took longer than {SECONDS:.0f} s")
        return line

    def ask(self) -> str:
        """Its answer to an empty line. Raises RuntimeError."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return self.line()


@contextmanager
def child(module: str, *arguments: str, environment: Mapping[str, str]) -> Iterator[Child]:
    command = [sys.executable, "-m", module, *arguments]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment) as process:
        guard = threading.Timer(SECONDS, process.kill)
        guard.start()
        try:
            yield Child(process)
        finally:
            guard.cancel()
            process.kill()
