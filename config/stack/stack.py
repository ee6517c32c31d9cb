"""Everything on one machine: a private Valkey unless servers are named, the schema, a first day, the processes."""

import http.client
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from config.stack.children import dies_with_parent
from config.stack.discovery import AlreadyRunning, Claim, claimed, find_running_stack
from config.stack.procfile import procfile_commands
from config.stack.supervisor import MAX_FAILURES, Command, Supervisor
from config.stack.valkey import Valkey, ValkeyError

READY_SECONDS = 60.0
POLL_SECONDS = 0.2
MAX_PORT = 65_535


class StackError(Exception):
    """Why the stack cannot run, in one line."""


class Stack:
    """`environment` is the shell's; what it lacks is filled in for the processes."""

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

    def run(self) -> None:
        """Run until a signal comes. Raises StackError, also when a process fails again and again."""
        if stack := find_running_stack(self._data):
            raise self._already_running(stack.pid)
        self._check_port()
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.default_int_handler)  # until the supervisor has its own
        with self._claimed_data() as claim, self._servers() as valkey:
            claim.publish(self._environment)
            self._prepare()
            self._supervise(valkey)

    def _check_port(self) -> None:
        if not 1 <= self._port <= MAX_PORT:  # 0 would be any port, which nobody could find
            raise StackError(f"PORT: {self._port} is not a number from 1 to {MAX_PORT}.")
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((self._host, self._port))
            except OSError as error:
                address = f"{self._host}:{self._port}"
                raise StackError(
                    f"The web server cannot listen on {address} ({error.strerror}); set HOST or PORT to another."
                ) from error

    @contextmanager
    def _claimed_data(self) -> Iterator[Claim]:
        with ExitStack() as claims:
            try:
                self._data.mkdir(parents=True, exist_ok=True)
                claim = claims.enter_context(claimed(self._data))
            except AlreadyRunning as running:
                raise self._already_running(running) from running
            except OSError as error:
                raise StackError(f"DATA_DIR: {self._data} cannot be written ({error.strerror}).") from error
            yield claim

    def _already_running(self, pid: object) -> StackError:
        return StackError(
            f"DATA_DIR: a stack runs in {self._data} already (pid {pid}); stop it, or set DATA_DIR to another folder."
        )

    @contextmanager
    def _servers(self) -> Iterator[Valkey | None]:
        """Start a private Valkey unless the environment names servers."""
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

    def _prepare(self) -> None:
        done = subprocess.run(
            [sys.executable, "manage.py", "prepare_stack"],
            cwd=self._project,
            env=self._environment,
            start_new_session=True,  # Ctrl-C ends it through us, without its traceback
            preexec_fn=dies_with_parent(),
            check=False,
        )
        if done.returncode:
            raise StackError("The stack cannot start: the database or the live view could not be prepared; see above.")

    def _supervise(self, valkey: Valkey | None) -> None:
        commands = procfile_commands(self._project / "Procfile", self._environment)
        if self._environment.get("FEED", "replay") == "none":
            del commands["monitor"]
        supervisor = Supervisor(
            [Command(name, arguments, self._environment, self._project) for name, arguments in commands.items()]
        )
        if valkey is not None and valkey.process is not None:
            supervisor.adopt(valkey, valkey.process)
        threading.Thread(target=self._announce, args=(supervisor,), daemon=True).start()
        supervisor.run()
        if supervisor.failed is not None:
            raise StackError(
                f"{supervisor.failed} failed {MAX_FAILURES} times within a minute, which ended the stack; "
                "see the lines above."
            )

    def _announce(self, supervisor: Supervisor) -> None:
        address = _reachable(self._host)
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            if _is_ready(address, self._port):
                host = f"[{address}]" if ":" in address else address
                supervisor.output.announce(f"Crash Monitor is ready: http://{host}:{self._port}/\n{self._hint()}")
                return
            time.sleep(POLL_SECONDS)
        supervisor.output.announce(f"Not ready after {READY_SECONDS:.0f} s; see the lines above.")

    def _hint(self) -> str:
        """Return what commands in another terminal need in order to find these servers (config/stack/discovery.py)."""
        if self._data == self._project / "var":
            return "Commands in another terminal find its servers by themselves: nothing needs to be exported."
        return f"For commands in another terminal: export DATA_DIR={shlex.quote(str(self._data))}"


def _names_servers(environment: Mapping[str, str], *, but: str) -> bool:
    """Return True if the operator has servers. `but` is our own, which a shell may still name from an earlier run."""
    roles = ("CACHE_URL", "STATE_URL", "BROKER_URL")
    url = environment.get("REDIS_URL", "")
    return (bool(url) and url != but) or bool(environment.get("REDIS_HOST")) or all(map(environment.get, roles))


def _reachable(host: str) -> str:
    return {"0.0.0.0": "localhost", "::": "localhost"}.get(host, host)  # noqa: S104


def _is_ready(host: str, port: int) -> bool:
    connection = http.client.HTTPConnection(host, port, timeout=2)  # unlike urllib it heeds no http_proxy
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except (http.client.HTTPException, OSError):
        return False
    finally:
        connection.close()
