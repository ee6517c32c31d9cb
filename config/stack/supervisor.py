"""Restarts services that end, and ends all of them together.

A service that ends is restarted after a delay, which doubles with each end within a minute. The fifth end within a
minute ends everything. docs/decisions/0012 says why this is neither a library nor a daemon.
"""

import os
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from types import FrameType
from typing import NamedTuple, Protocol

from config.stack.guard import Guard
from config.stack.output import Output

MAX_FAILURES = 5
FAILURE_WINDOW_SECONDS = 60.0
FIRST_RESTART_SECONDS = 0.5
KILL_SECONDS = 5.0
LAST_LINES_SECONDS = 1.0
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Service(Protocol):
    """What one process does, which leads a process group of its own."""

    @property
    def name(self) -> str: ...

    def spawn(self) -> subprocess.Popen[bytes]:
        """Start the process without waiting for it. Raises OSError."""
        ...


@dataclass(frozen=True, slots=True)
class Command:
    """A line of the Procfile."""

    name: str
    arguments: Sequence[str]
    environment: Mapping[str, str]
    directory: Path

    def spawn(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self.arguments,
            env=self.environment,
            cwd=self.directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # the terminal's Ctrl-C is for the supervisor, which ends its services in order
        )


class Backoff:
    """How long to wait before a restart: longer with each failure within the window, and not at all after the last."""

    def __init__(self) -> None:
        self._failed_at: deque[float] = deque()

    def seconds_after_failure(self, now: float) -> float | None:
        """Count a failure. Return the seconds until the restart, or None after MAX_FAILURES within the window."""
        self._failed_at.append(now)
        while self._failed_at[0] <= now - FAILURE_WINDOW_SECONDS:
            self._failed_at.popleft()
        failures = len(self._failed_at)
        return FIRST_RESTART_SECONDS * 2 ** (failures - 1) if failures < MAX_FAILURES else None


@dataclass(slots=True)
class _Child:
    """A service and the process that it has now. An adopted service is stopped by whoever started it."""

    service: Service
    adopted: bool
    process: subprocess.Popen[bytes] | None = None
    restart_at: float | None = None  # of the monotonic clock
    backoff: Backoff = field(default_factory=Backoff)


class _Exited(NamedTuple):
    child: _Child
    returncode: int


class Supervisor:
    """Runs services until a signal comes or one of them fails for good."""

    def __init__(self, services: Sequence[Service]) -> None:
        self.failed: str | None = None  # the name of the service that failed for good
        self.output = Output(on_lost=lambda: self._events.put(None))
        self._events: SimpleQueue[_Exited | None] = SimpleQueue()  # None: stop
        self._children = [_Child(service, adopted=False) for service in services]
        self._guard: Guard | None = None

    def adopt(self, service: Service, process: subprocess.Popen[bytes]) -> None:
        """Restart `service`, which runs already, when it ends. Its owner stops it after run()."""
        child = _Child(service, adopted=True)
        self._children.append(child)
        self._watch(child, process)

    def run(self) -> None:
        """Start the services; return once all have ended, but for the adopted ones."""
        with self._stopping_on_signals():
            self._guard = Guard()
            try:
                self._start_all()
                self._supervise()
            finally:
                self._end_all()
                self._guard.close()
                self.output.close(LAST_LINES_SECONDS)

    def _start_all(self) -> None:
        for child in self._children:
            if child.process is None:
                self._start(child)

    def _supervise(self) -> None:
        while self.failed is None:
            try:
                exited = self._events.get(timeout=self._seconds_until_restart())
            except Empty:
                self._restart_due()
                continue
            if exited is None:
                return
            self._on_exit(*exited)

    def _seconds_until_restart(self) -> float | None:
        due = [child.restart_at for child in self._children if child.restart_at is not None]
        return max(0.0, min(due) - time.monotonic()) if due else None

    def _restart_due(self) -> None:
        for child in self._children:
            if child.restart_at is not None and child.restart_at <= time.monotonic():
                child.restart_at = None
                self._start(child)

    def _start(self, child: _Child) -> None:
        try:
            process = child.service.spawn()
        except OSError as error:
            self._plan_restart(child, f"cannot be started ({error.strerror or error})")
            return
        self.output.report(f"{child.service.name} started (pid {process.pid})")
        self._watch(child, process)
        self._protect()

    def _watch(self, child: _Child, process: subprocess.Popen[bytes]) -> None:
        child.process = process
        name = child.service.name
        if process.stdout is not None:
            self.output.follow(name, process.stdout)
        threading.Thread(target=self._wait, args=(child, process), name=f"wait for {name}", daemon=True).start()

    def _wait(self, child: _Child, process: subprocess.Popen[bytes]) -> None:
        returncode = process.wait()
        _signal_group(process, signal.SIGKILL)  # what it started must not outlive it
        self._events.put(_Exited(child, returncode))

    def _on_exit(self, child: _Child, returncode: int) -> None:
        child.process = None
        self._protect()
        self._plan_restart(child, _describe_exit(returncode))

    def _plan_restart(self, child: _Child, reason: str) -> None:
        name, now = child.service.name, time.monotonic()
        seconds = child.backoff.seconds_after_failure(now)
        if seconds is None:
            self.failed = name
            self.output.report(f"{name} {reason}; not restarted after {MAX_FAILURES} failures within a minute")
            return
        child.restart_at = now + seconds
        self.output.report(f"{name} {reason}; restarting in {seconds:g} s")

    def _protect(self) -> None:
        if self._guard is not None:
            self._guard.protect(child.process.pid for child in self._children if child.process is not None)

    def _end_all(self) -> None:
        own = [(child, child.process) for child in self._children if child.process is not None and not child.adopted]
        for _, process in own:
            process.terminate()  # the leader alone: Celery lets its pool finish, Granian its requests
        deadline = time.monotonic() + KILL_SECONDS
        for child, process in own:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                self.output.report(f"{child.service.name} did not end within {KILL_SECONDS:g} s and is killed")
            _signal_group(process, signal.SIGKILL)
            process.wait()

    @contextmanager
    def _stopping_on_signals(self) -> Iterator[None]:
        def stop(number: int, frame: FrameType | None) -> None:
            self._events.put(None)

        before = [signal.signal(number, stop) for number in STOP_SIGNALS]
        try:
            yield
        finally:
            for number, handler in zip(STOP_SIGNALS, before, strict=True):
                signal.signal(number, handler)


def _signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):  # macOS: the latter for a group of zombies
        os.killpg(process.pid, number)


def _describe_exit(returncode: int) -> str:
    if returncode >= 0:
        return f"ended with exit code {returncode}"
    try:
        return f"was ended by {signal.Signals(-returncode).name}"
    except ValueError:
        return f"was ended by signal {-returncode}"
