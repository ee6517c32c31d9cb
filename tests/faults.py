"""Fault injection beyond stopping and pausing a server: slow replies, cut connections, a failover."""

import asyncio
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from config.stack.children import dies_with_parent
from config.stack.server_binary import find_server
from tests import servers


class FaultProxy:
    """A proxy to the run's Valkey on a loopback port: it delays replies, can be cut, and records connection times."""

    def __init__(self, delay_seconds: float = 0.0) -> None:
        self.delay_seconds = delay_seconds
        self.replies_to_drop = 0  # so many replies are not forwarded: the connection is closed in their place
        self.connected_at: list[float] = []  # monotonic clock; one entry per connection that was forwarded
        self._upstream = servers.valkey.url.removeprefix("unix://").partition("?")[0]
        self._cut = False
        self._ends: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault-proxy", daemon=True)
        self._thread.start()
        self._server: asyncio.Server = self._run(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.url = f"redis://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/0"

    def cut(self) -> None:
        """End every connection, and each new one as soon as it is made."""
        self._run(self._cut_all())

    def restore(self) -> None:
        self._cut = False

    def close(self) -> None:
        self._server.close()
        self.cut()
        self._run(self._finished())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(10)

    async def _cut_all(self) -> None:
        self._cut = True
        for end in self._ends:
            end.close()

    async def _finished(self) -> None:
        """Wait until the pumping tasks have noticed that their connections are closed."""
        if others := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(others, timeout=5)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._cut:
            self.connected_at.append(time.monotonic())
            with suppress(OSError):  # the server is not running
                await self._pass_on(reader, writer)
        writer.close()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await self._connect()
        ends = {writer, server_writer}
        self._ends |= ends
        await asyncio.gather(self._pump(reader, server_writer, lambda: 0.0), self._pump(server_reader, writer))
        self._ends -= ends

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_unix_connection(self._upstream)

    async def _pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, delay: Callable[[], float] | None = None
    ) -> None:
        """Forward in order, each part delayed by the delay at its arrival (None: the proxy's own delay)."""
        seconds, due = delay or (lambda: self.delay_seconds), 0.0
        with suppress(OSError):
            while part := await source.read(65_536):
                if delay is None and self.replies_to_drop:
                    self.replies_to_drop -= 1
                    break
                due = max(due + 1e-6, self._loop.time() + seconds())
                self._loop.call_at(due, _write, sink, part)
        self._loop.call_at(max(due + 1e-6, self._loop.time()), sink.close)


class MovingName(FaultProxy):
    """A name that is moved from server to server, as by DNS or a virtual address. Open connections stay."""

    def __init__(self, port: int) -> None:
        self._port = port
        super().__init__()

    def move_to(self, port: int) -> None:
        self._port = port

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self._port)


def _write(sink: asyncio.StreamWriter, part: bytes) -> None:
    if not sink.is_closing():
        sink.write(part)


class ReplicatedValkey:
    """A primary, its replica, and a sentinel that promotes the replica once the primary is down for DOWN_MS."""

    DOWN_MS = 300
    START_SECONDS = 30.0

    def __init__(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="crash-monitor-sentinel-", dir=servers.directory))
        self.primary_port, self.replica_port, self.sentinel_port = (_unused_port() for _ in range(3))
        self.service = f"cache-{self.sentinel_port}"  # unique, because connection pools are cached by this name
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """Return once the sentinel reports a replica that is in sync."""
        plain = ("--bind", "127.0.0.1", "--save", "", "--repl-diskless-sync-delay", "0", "--dir", str(self.directory))
        self._start("--port", str(self.primary_port), *plain)
        self._start("--port", str(self.replica_port), *plain, "--replicaof", "127.0.0.1", str(self.primary_port))
        settings = self.directory / "sentinel.conf"
        settings.write_text(
            f"port {self.sentinel_port}\nbind 127.0.0.1\ndir {self.directory}\n"
            f"sentinel monitor {self.service} 127.0.0.1 {self.primary_port} 1\n"
            f"sentinel down-after-milliseconds {self.service} {self.DOWN_MS}\n"
            f"sentinel failover-timeout {self.service} 2000\n"
        )
        self._start(str(settings), "--sentinel")
        self._until(self._replica_is_in_sync)

    def stop(self) -> None:
        for process in self._processes:
            process.kill()
            process.wait()

    def wait_for_replica(self) -> None:
        """Return once the replica has received everything written so far."""
        primary = self.client(self.primary_port)
        self._until(lambda: primary.set("replicated", 1) and primary.wait(1, 1_000) == 1)

    def kill_primary(self) -> None:
        """Send SIGKILL: clients and replica get no notice."""
        self._processes[0].kill()
        self._processes[0].wait()

    def fail_over(self) -> None:
        """Fail over as by an operator's command: the old primary stays up as a replica.

        The sentinel takes 8 s to demote it; here it gets the same commands at once.
        """
        sentinel = self.client(self.sentinel_port)
        sentinel.execute_command("SENTINEL", "FAILOVER", self.service)
        self._until(lambda: sentinel.sentinel_get_master_addr_by_name(self.service)[1] == self.replica_port)
        with self.client(self.primary_port).pipeline() as demotion:
            demotion.replicaof("127.0.0.1", self.replica_port)
            demotion.client_kill_filter(_type="normal", skipme=True)
            demotion.execute()

    def promote_replica(self) -> None:
        """Fail over as a managed service does: the old primary stays up as a replica, with its clients."""
        self.client(self.replica_port).replicaof("NO", "ONE")
        self.client(self.primary_port).replicaof("127.0.0.1", self.replica_port)

    def client(self, port: int) -> redis.Redis:
        return redis.Redis(host="127.0.0.1", port=port, socket_timeout=5, retry=Retry(NoBackoff(), 0))

    def _start(self, *arguments: str) -> None:
        with (self.directory / "valkey.log").open("ab") as log:
            self._processes.append(
                subprocess.Popen([find_server(), *arguments], stdout=log, stderr=log, preexec_fn=dies_with_parent())
            )

    def _replica_is_in_sync(self) -> bool:
        replicas = self.client(self.sentinel_port).sentinel_slaves(self.service)
        return [replica["master-link-status"] for replica in replicas] == ["ok"]

    def _until(self, done: Callable[[], bool]) -> None:
        deadline = time.monotonic() + self.START_SECONDS
        while time.monotonic() < deadline:
            with suppress(redis.RedisError):
                if done():
                    return
            time.sleep(0.01)
        raise RuntimeError(f"no replicated Valkey; see {self.directory / 'valkey.log'}")


def _unused_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])
