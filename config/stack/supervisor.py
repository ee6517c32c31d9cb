"""The processes of the Procfile under honcho, none of which outlives the stack.

honcho waits for the end of a child's output and begins to count its patience at the first child that ended. So it
would wait for ever where a killed child's own children keep the pipe open, where all children hang, and where nobody
reads what it prints. The classes here see to that.
"""

import os
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from string import Template
from typing import Any

from honcho.compat import ProcessManager
from honcho.manager import Manager
from honcho.process import Popen, Process

from config.stack.children import dies_with_parent

KILL_SECONDS = 5.0
RETRY_SECONDS = 0.05


class _Leader(Popen):  # type: ignore[misc]
    """A command in a process group of its own, which ends with it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, preexec_fn=dies_with_parent(), **kwargs)
        threading.Thread(target=self._end_group_after_leader, daemon=True).start()

    def _end_group_after_leader(self) -> None:
        self.wait()
        self.signal_group(signal.SIGKILL)

    def signal_group(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):  # macOS: the latter for a group of zombies
            os.killpg(self.pid, number)


class _Child(Process):  # type: ignore[misc]
    """honcho's runner of one command. Without the stack, even by SIGKILL, it ends the command's group and itself."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._child_ctor = _Leader

    def run(self, events: Any = None, ignore_signals: bool = False) -> None:
        signal.signal(signal.SIGHUP, self._end)
        if ask_the_kernel := dies_with_parent(signal.SIGHUP):
            ask_the_kernel()
        super().run(events, ignore_signals)

    def _end(self, *_: object) -> None:
        if self._child is not None:
            self._child.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._child.wait(KILL_SECONDS)
            self._child.signal_group(signal.SIGKILL)
        os._exit(1)


class _Signals(ProcessManager):  # type: ignore[misc]
    """honcho's, but SIGTERM goes to the leader alone: Celery then lets its pool finish what it does."""

    def terminate(self, pid: int) -> None:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)


class Supervisor(Manager):  # type: ignore[misc]
    """Runs until one child ends or a signal comes, then ends all: SIGTERM, and SIGKILL for those that hang."""

    def __init__(self, commands: Mapping[str, str], environment: Mapping[str, str], directory: Path) -> None:
        super().__init__()
        self.failed: str | None = None  # what ended unasked, first
        self._process_ctor = _Child
        self._procmgr = _Signals()
        for name, command in commands.items():
            self.add_process(name, f"exec {command}", env=dict(environment), cwd=str(directory))

    def loop(self) -> None:
        signal.signal(signal.SIGHUP, lambda *_: os.kill(os.getpid(), signal.SIGTERM))
        try:
            super().loop()
        finally:
            self._end_what_is_left()

    def fail(self, name: str) -> None:
        """End all because `name`, which may be a process of somebody else, ended."""
        if not self._terminating:
            self.failed = name
        self.terminate()

    def terminate(self) -> None:
        if self._terminating:
            return
        if not self._all_started():  # a signal came first; honcho knows no process ids yet
            self._later(RETRY_SECONDS, self.terminate)
            return
        ended = (name for name, process in self._processes.items() if "returncode" in process)
        self.failed = self.failed or next(ended, None)
        self._later(KILL_SECONDS, self.kill)
        super().terminate()

    def _later(self, seconds: float, what: Callable[[], None]) -> None:
        timer = threading.Timer(seconds, what)
        timer.daemon = True
        timer.start()

    def _end_what_is_left(self) -> None:
        """Nothing, unless the loop was left by an exception, such as a broken pipe at our output."""
        for process in self._processes.values():
            if "pid" in process and "returncode" not in process:
                self._procmgr.kill(process["pid"])
            if "process" in process:
                process["process"].kill()


def procfile_commands(procfile: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """name -> command line, variables filled in and `python` being this one."""
    commands = {}
    for line in procfile.read_text().splitlines():
        name, _, command = line.partition(":")
        words = [Template(word).substitute(environment) for word in shlex.split(command)]
        if words[0] == "python":
            words[0] = sys.executable
        commands[name] = shlex.join(words)
    return commands
