"""How commands find the servers of a running stack: a small file in its DATA_DIR, which the stack keeps locked.

The lock says whether the stack still runs, also after SIGKILL and a restart of the machine, when its process id may
belong to another process.
"""

import fcntl
import json
import os
import time
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

FILE_NAME = "stack.json"
LOCK_SECONDS = 0.5
POLL_SECONDS = 0.01
# A variable of the operator's keeps out its whole group: a CACHE_URL of the stack's would win over the operator's
# REDIS_URL.
GROUPS = (
    ("DATABASE_URL",),
    ("REDIS_URL", "CACHE_URL", "STATE_URL", "BROKER_URL", "REDIS_HOST", "REDIS_PORT", "REDIS_PASSWORD"),
    ("SITE",),
)


class AlreadyRunning(Exception):
    """A stack runs in this DATA_DIR; the message is its process id."""


class RunningStack(NamedTuple):
    """What a running stack has written."""

    pid: int
    environment: dict[str, str]


class Claim:
    """A DATA_DIR that belongs to this process until the end of its block."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file

    def publish(self, environment: Mapping[str, str]) -> None:
        """Let commands find the servers that `environment` names. Raises OSError."""
        variables = {name: environment[name] for group in GROUPS for name in group if environment.get(name)}
        json.dump({"pid": os.getpid(), "environment": variables}, self._file)
        self._file.flush()


@contextmanager
def claimed(data: Path) -> Iterator[Claim]:
    """Claim a DATA_DIR for the block. Raises AlreadyRunning, and OSError if it cannot be written."""
    path = data / FILE_NAME
    with _locked(path) as file:
        try:
            yield Claim(file)
        finally:
            path.unlink(missing_ok=True)


def find_running_stack(data: Path) -> RunningStack | None:
    """Return the stack that runs in this DATA_DIR, or None. The file that a killed stack left behind is ignored."""
    try:
        with (data / FILE_NAME).open() as file:
            if _is_locked(file):
                return RunningStack(**json.load(file))
    except (OSError, ValueError, TypeError):  # no file, somebody else's, or one that is being written
        pass
    return None


def adopt_running_stack(data: Path, environment: MutableMapping[str, str]) -> None:
    """Add a running stack's servers to `environment`, unless it names servers itself."""
    stack = find_running_stack(data)
    if stack is None:
        return
    for group in GROUPS:
        if not any(environment.get(name) for name in group):
            environment.update({name: stack.environment[name] for name in group if name in stack.environment})


@contextmanager
def _locked(path: Path) -> Iterator[IO[str]]:
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)  # the URLs may hold passwords
        with os.fdopen(descriptor, "r+") as file:
            if not _lock(file):
                raise AlreadyRunning(_pid_in(file))
            if not _is_current(file, path):
                continue  # the stack before this one has just removed it
            file.truncate()
            yield file
            return


def _lock(file: IO[str]) -> bool:
    """Lock the file, and wait for a command that looks into it meanwhile, but not for another stack."""
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(POLL_SECONDS)
        else:
            return True


def _is_locked(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)  # released when the file is closed
    except BlockingIOError:
        return True
    return False


def _is_current(file: IO[str], path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _pid_in(file: IO[str]) -> str:
    try:
        return str(json.load(file)["pid"])
    except (ValueError, KeyError, TypeError):
        return "unknown"
