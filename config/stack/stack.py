"""Everything on one machine: a private Valkey unless servers are named, the schema, a first day, the processes."""

import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from config.stack.children import dies_with_parent
from config.stack.supervisor import Supervisor, procfile_commands
from config.stack.valkey import Valkey, ValkeyError

READY_SECONDS = 60.0
POLL_SECONDS = 0.2
MAX_PORT = 65_535
PREPARATIONS = (["migrate", "--verbosity", "0"], ["load_history"], ["apply_pending"])


class StackError(Exception):
    """Why the stack cannot run, in one line."""


class Stack:
    """`environment` is that of the shell; what is missing in it is filled in for the children."""

    def __init__(self, project: Path, data: Path, host: str, port: int, environment: Mapping[str, str]) -> None:
        self._project = project
        self._data = data
        self._host = host
        self._port = port
        self._environment = {
            **environment,
            "HOST": host,
            "PORT": str(port),
            "DATA_DIR": str(data),
            "WEB_WORKERS": environment.get("WEB_WORKERS", "1"),
        }

    def run(self) -> int:
        """Run until a signal comes; the exit code to give. Raises StackError, also when a child ends unasked."""
        self._refuse_taken_port()
        try:
            self._data.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StackError(f"DATA_DIR: {self._data} cannot be a folder ({error.strerror}).") from error
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.default_int_handler)  # until the supervisor has its own
        with self._servers() as valkey:
            for arguments in PREPARATIONS:
                self._manage(arguments)
            return self._supervise(valkey)

    def _refuse_taken_port(self) -> None:
        if not 1 <= self._port <= MAX_PORT:  # 0 would be any port, and nobody would know which
            raise StackError(f"{self._port} is no port: they are from 1 to {MAX_PORT}.")
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((self._host, self._port))
            except OSError as error:
                address = f"{self._host}:{self._port}"
                raise StackError(
                    f"{address} cannot be listened on ({error.strerror}); set HOST or PORT to another."
                ) from error

    @contextmanager
    def _servers(self) -> Iterator[Valkey | None]:
        valkey = Valkey(self._data / "valkey")
        if _names_servers(self._environment, but=valkey.url):
            yield None
            return
        try:
            valkey.start()
        except ValkeyError as error:
            raise StackError(str(error)) from error
        self._environment["REDIS_URL"] = valkey.url
        try:
            yield valkey
        finally:
            valkey.stop()

    def _manage(self, arguments: list[str]) -> None:
        """A management command in a process of its own, which sees the servers in its environment."""
        command = [sys.executable, "manage.py", *arguments]
        done = subprocess.run(
            command,
            cwd=self._project,
            env=self._environment,
            start_new_session=True,  # Ctrl-C ends it through us, without its traceback
            preexec_fn=dies_with_parent(),
            check=False,
        )
        if done.returncode:
            raise StackError(f"manage.py {arguments[0]} failed.")

    def _supervise(self, valkey: Valkey | None) -> int:
        commands = procfile_commands(self._project / "Procfile", self._environment)
        if self._environment.get("FEED", "replay") == "none":
            del commands["monitor"]
        supervisor = Supervisor(commands, self._environment, self._project)
        threading.Thread(target=self._announce, daemon=True).start()
        if valkey is not None:
            threading.Thread(target=_fail_without, args=(valkey, supervisor), daemon=True).start()
        supervisor.loop()
        if supervisor.failed is not None:
            raise StackError(f"{supervisor.failed} ended, and the stack with it; see the lines above.")
        return int(supervisor.returncode or 0)

    def _announce(self) -> None:
        url = f"http://{_reachable(self._host)}:{self._port}/"
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            if _is_ready(url):
                print(f"Crash Monitor is ready: {url}", flush=True)  # noqa: T201
                return
            time.sleep(POLL_SECONDS)
        print(f"Not ready after {READY_SECONDS:.0f} s; see the lines above.", flush=True)  # noqa: T201


def _fail_without(valkey: Valkey, supervisor: Supervisor) -> None:
    while valkey.running:
        time.sleep(1)
    supervisor.fail("valkey")


def _names_servers(environment: Mapping[str, str], *, but: str) -> bool:
    """Whether the operator has servers; `but` is our own, which a shell may still name from a run before."""
    roles = ("CACHE_URL", "STATE_URL", "BROKER_URL")
    told = environment.get("REDIS_URL", "")
    return (bool(told) and told != but) or bool(environment.get("REDIS_HOST")) or all(map(environment.get, roles))


def _reachable(host: str) -> str:
    name = {"0.0.0.0": "localhost", "::": "localhost"}.get(host, host)  # noqa: S104
    return f"[{name}]" if ":" in name else name


def _is_ready(url: str) -> bool:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # http_proxy is not for this machine
    try:
        with direct.open(f"{url}readyz", timeout=2) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False
