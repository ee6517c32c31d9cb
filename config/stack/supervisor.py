"""The processes of the Procfile under honcho, none of which outlives the stack."""

import functools
import shlex
import signal
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Any

from honcho.manager import Manager
from honcho.process import Popen, Process

from config.stack.children import dies_with_parent

KILL_SECONDS = 5.0


class _Child(Process):  # type: ignore[misc]
    """honcho's runner of one child: both go when the stack goes, even by SIGKILL."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._child_ctor = functools.partial(Popen, preexec_fn=dies_with_parent(signal.SIGTERM))

    def run(self, events: Any = None, ignore_signals: bool = False) -> None:
        if ask_the_kernel := dies_with_parent(signal.SIGKILL):
            ask_the_kernel()
        super().run(events, ignore_signals)


class Supervisor(Manager):  # type: ignore[misc]
    """Runs until one child ends or a signal comes, then ends all: SIGTERM, and SIGKILL for those that hang."""

    def __init__(self, commands: Mapping[str, str], environment: Mapping[str, str], directory: Path) -> None:
        super().__init__()
        self._process_ctor = _Child
        for name, command in commands.items():
            self.add_process(name, f"exec {command}", env=dict(environment), cwd=str(directory))

    def terminate(self) -> None:
        if not self._terminating:
            # honcho itself only begins to count when one child has stopped; all of them may hang.
            timer = threading.Timer(KILL_SECONDS, self.kill)
            timer.daemon = True
            timer.start()
        super().terminate()


def procfile_commands(procfile: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """name -> command line, variables filled in and `python` being this one."""
    commands = {}
    for line in procfile.read_text().splitlines():
        name, _, command = line.partition(":")
        words = shlex.split(Template(command).substitute(environment))
        if words[0] == "python":
            words[0] = sys.executable
        commands[name] = shlex.join(words)
    return commands
