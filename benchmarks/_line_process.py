"""A module in a process of its own that replies to each line with a line."""

import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

MAX_SECONDS = 120.0  # then the process is killed, and a waiting read_line() raises


class LineProcess:
    """A running process with pipes for its standard input and output."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def read_line(self) -> str:
        """Return the next line of output. Raises RuntimeError if the process has ended."""
        assert self._process.stdout is not None
        line: str = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._process.args!r} ended, or took longer than {MAX_SECONDS:.0f} s")
        return line

    def request(self) -> str:
        """Send an empty line and return the reply. Raises RuntimeError."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return self.read_line()


@contextmanager
def line_process(module: str, *arguments: str, environment: Mapping[str, str]) -> Iterator[LineProcess]:
    """Run a module with these arguments; kill it at the end of the block."""
    command = [sys.executable, "-m", module, *arguments]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment) as process:
        guard = threading.Timer(MAX_SECONDS, process.kill)
        guard.start()
        try:
            yield LineProcess(process)
        finally:
            guard.cancel()
            process.kill()
