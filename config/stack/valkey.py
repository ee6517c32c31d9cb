"""A private Valkey, or Redis, under our own configuration.

It listens on a Unix socket only, keeps its files in the given directory, and never evicts. `manage.py stack`, the tests
and the benchmarks use it; production brings servers of its own.
"""

import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path

from config.stack.children import dies_with_parent
from config.stack.server_binary import NoServer, find_server

# sockaddr_un holds 108 bytes on Linux, 104 on macOS.
MAX_SOCKET_PATH_BYTES = 100
START_SECONDS = 10.0
STOP_SECONDS = 5.0
POLL_SECONDS = 0.01
PING_SECONDS = 1.0


class ValkeyError(Exception):
    """Why there is no server, in one line for a person."""


class Valkey:
    """One server process. `persist` keeps an append-only file, synced every second."""

    name = "valkey"

    def __init__(self, directory: Path, *, persist: bool = True) -> None:
        self.directory = directory.resolve()
        self.process: subprocess.Popen[bytes] | None = None
        self._persist = persist
        self._socket = _socket_path(self.directory)

    @property
    def url(self) -> str:
        return f"unix://{self._socket}?db=0"

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def start(self) -> subprocess.Popen[bytes]:
        """Start the server and return once it responds.

        Raises ValkeyError, also when a server of this directory is running already.
        """
        try:
            find_server()
        except NoServer as error:
            raise ValkeyError(str(error)) from error
        if _responds(self._socket):
            raise ValkeyError(f"A Valkey of {self.directory} is running already; stop it first.")
        process = self._spawn(dies_with_parent())
        self._wait_until_it_responds()
        return process

    def spawn(self) -> subprocess.Popen[bytes]:
        """Start the server again without waiting for it: what the supervisor calls, whose guard ends it."""
        return self._spawn(None)

    def stop(self) -> None:
        """Stop the server in order, or else by force. Do nothing if it does not run."""
        if self.process is None:
            return
        self.resume()
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def kill(self) -> None:
        """Send SIGKILL, as a crash would end the server."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def pause(self) -> None:
        """Stop the process where it is: connections stay open without a reply."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        if self.process is not None and self.running:
            os.kill(self.process.pid, number)

    def _spawn(self, preexec_fn: Callable[[], None] | None) -> subprocess.Popen[bytes]:
        self.directory.mkdir(parents=True, exist_ok=True)
        self._socket.unlink(missing_ok=True)  # a killed server leaves it behind
        with (self.directory / "valkey.log").open("ab") as log:
            self.process = subprocess.Popen(
                self._command(),
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # the terminal's Ctrl-C is for the stack, which stops this last
                preexec_fn=preexec_fn,
            )
        return self.process

    def _command(self) -> list[str]:
        options = {
            "port": "0",
            "unixsocket": str(self._socket),
            "unixsocketperm": "700",
            "dir": str(self.directory),
            "appendonly": "yes" if self._persist else "no",
            "appendfsync": "everysec",
            "save": "",
            "maxmemory-policy": "noeviction",
            "loglevel": "notice",
        }
        return [find_server(), *(part for name, value in options.items() for part in (f"--{name}", value))]

    def _wait_until_it_responds(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if not self.running:
                raise ValkeyError(f"Valkey did not start; see {self.directory / 'valkey.log'}.")
            if _responds(self._socket):
                return
            time.sleep(POLL_SECONDS)
        self.kill()
        raise ValkeyError(f"Valkey did not respond within {START_SECONDS:.0f} s; see {self.directory / 'valkey.log'}.")


def _responds(path: Path) -> bool:
    """Return True if a server accepts commands there; one that still loads its data does not."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(PING_SECONDS)
        try:
            connection.connect(str(path))
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith(b"+PONG")
        except OSError:
            return False


def _socket_path(directory: Path) -> Path:
    """Return a path in the directory itself, or where that is too long for a socket, in a private temporary one."""
    path = directory / "valkey.sock"
    if len(os.fsencode(path)) <= MAX_SOCKET_PATH_BYTES:
        return path
    name = blake2b(os.fsencode(directory), digest_size=8).hexdigest()
    private = Path(tempfile.gettempdir()) / f"crash-monitor-{os.getuid()}-{name}"
    private.mkdir(mode=0o700, exist_ok=True)
    if private.stat().st_uid != os.getuid():
        raise ValkeyError(f"{private} belongs to another user; choose a DATA_DIR with a shorter path.")
    return private / "valkey.sock"
