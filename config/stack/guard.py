"""A shell that ends the stack's processes once the supervisor is gone, even by SIGKILL."""

import subprocess
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

SCRIPT = Path(__file__).with_name("guard.sh")
KILL_SECONDS = 5
RESTART_SECONDS = 1.0


class Guard:
    """One shell, whose standard input only the supervisor holds open. A shell that is killed is replaced."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._groups = ""
        self._closed = False
        self._shell = _start_shell()
        threading.Thread(target=self._replace_dead_shells, name="guard", daemon=True).start()

    def protect(self, groups: Iterable[int]) -> None:
        """Replace the process groups that are to end with the supervisor."""
        with self._lock:
            self._groups = " ".join(map(str, groups))
            self._send()

    def close(self) -> None:
        """End the shell. Call it once no group is left."""
        with self._lock:
            self._closed = True
            self._groups = ""
            self._send()
            with suppress(OSError):
                self._shell.communicate()

    def _replace_dead_shells(self) -> None:
        while True:
            self._shell.wait()
            with self._lock:
                if self._closed:
                    return
                self._shell = _start_shell()
                self._send()
            time.sleep(RESTART_SECONDS)  # a shell that cannot run must not occupy a processor

    def _send(self) -> None:
        """Write the groups as one line. A shell that is dead gets them when it is replaced."""
        assert self._shell.stdin is not None  # noqa: S101  for mypy
        with suppress(OSError):
            self._shell.stdin.write(f"{self._groups}\n".encode())


def _start_shell() -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        ["/bin/sh", str(SCRIPT), str(KILL_SECONDS)],
        stdin=subprocess.PIPE,
        bufsize=0,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # the terminal's Ctrl-C is for the supervisor alone
    )
