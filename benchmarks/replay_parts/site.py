"""One installation that receives the log, with its servers and a process that records games."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path

import environ
import psutil
import psycopg2  # type: ignore[import-untyped]

from benchmarks import _load
from benchmarks._load import Load
from benchmarks._private_project import celery_worker, private_project, run
from benchmarks._servers import Server, granian
from benchmarks.replay_parts.client import Client, TimedResponse
from benchmarks.replay_parts.log import Entry
from benchmarks.replay_parts.processor_use import ProcessorMeter, ProcessorUse
from benchmarks.replay_parts.version_rises import subscribe_to_rises
from cachecore.maintenance.warming import COALESCE_SECONDS

APPLICATION = "config.asgi:application"
WORKER_PROCESSES = 2  # as in the Procfile
START_SECONDS = 30.0
SAME_GAME_SECONDS = 0.5  # a game raises two versions, one soon after the other


@dataclass(frozen=True, slots=True)
class Window:
    """The result of one window of the log.

    `rises` are the times at which versions rose; `processor_use` follows the first rise of each game. `transactions`
    are all of the database's, `cpu_seconds` those of the web process.
    """

    responses: Sequence[TimedResponse]
    rises: Sequence[float]
    processor_use: Sequence[ProcessorUse]
    transactions: int
    cpu_seconds: float
    load_average: float


class Site:
    def __init__(
        self,
        environment: Mapping[str, str],
        server: Server,
        meter: ProcessorMeter,
        recorder: asyncio.subprocess.Process,
    ) -> None:
        self._database = environment["DATABASE_URL"]
        self._server = server
        self._meter = meter
        self._recorder = recorder
        self._client = Client(server.url)
        self._rises: list[float] = []
        self._seconds: list[asyncio.Task[ProcessorUse]] = []

    def on_rise(self, rise: float) -> None:
        if not self._rises or rise - self._rises[-1] > SAME_GAME_SECONDS:
            self._seconds.append(asyncio.create_task(self._meter.measure()))
        self._rises.append(rise)

    async def replay(self, entries: Sequence[Entry], seconds: float, every: float) -> Window:
        """Replay the log while a game ends every `every` seconds, the first one after half of that time."""
        await asyncio.sleep(COALESCE_SECONDS)  # so that no warming run of an earlier version is still to come
        self._rises.clear()
        self._seconds.clear()
        cpu, transactions = self._server.cpu_seconds(), _transactions(self._database)
        recording = asyncio.create_task(self._record(seconds, every))
        responses = await self._client.replay(entries)
        await recording
        return Window(
            responses,
            tuple(self._rises),
            await asyncio.gather(*self._seconds),
            _transactions(self._database) - transactions,
            self._server.cpu_seconds() - cpu,
            os.getloadavg()[0],
        )

    async def saturate(self, paths: Sequence[str], connections: int, seconds: int, every: float) -> Load:
        """Measure the throughput with `connections` clients that never pause."""
        recording = asyncio.create_task(self._record(seconds, min(every, seconds)))
        load = await asyncio.to_thread(_load.run, self._server.url, paths, connections, seconds)
        await recording
        return load

    async def _record(self, seconds: float, every: float) -> None:
        assert self._recorder.stdin is not None
        assert self._recorder.stdout is not None
        for number in range(max(1, round(seconds / every))):
            await asyncio.sleep(every if number else every / 2)
            self._recorder.stdin.write(b"1\n")
            await self._recorder.stdout.readline()


@asynccontextmanager
async def site(mode: Mapping[str, str], games: int, one_by_one: asyncio.Lock) -> AsyncIterator[Site]:
    """Run an installation on private servers with one web process and a worker. Several may start at the same time."""
    async with AsyncExitStack() as running:
        async with one_by_one:  # the wheel's PostgreSQL does not start in two threads at once
            environment = await asyncio.to_thread(running.enter_context, private_project())
        # Usage is flushed every second instead of five, because a window is short.
        environment |= {"CACHE_STATS_FLUSH_SECONDS": "1", **mode}
        await asyncio.to_thread(run, "benchmarks.replay_parts.fill", str(games), environment=environment)
        logs = Path(environment["DATA_DIR"])
        async with one_by_one:  # so that all new processes belong to this site
            before = _descendants()
            running.enter_context(celery_worker(environment, logs / "worker.log", processes=WORKER_PROCESSES))
            server = running.enter_context(
                granian(APPLICATION, environment, logs / "web.log", set(), "--interface", "asgi")
            )
            meter = await _meter(environment, before)
            running.push_async_callback(meter.aclose)
        recorder = await running.enter_async_context(_recorder(environment))
        started = Site(environment, server, meter, recorder)
        await running.enter_async_context(subscribe_to_rises(environment["REDIS_URL"], started.on_rise))
        yield started


async def _meter(environment: Mapping[str, str], before: set[psutil.Process]) -> ProcessorMeter:
    """Wait for the worker's processes and return the meter."""
    async with asyncio.timeout(START_SECONDS):
        while True:
            ours = {process: " ".join(process.cmdline()) for process in _descendants() - before}
            worker = [process for process, command in ours.items() if "celery" in command]
            if len(worker) > WORKER_PROCESSES:  # with their parent
                web = [process for process, command in ours.items() if "granian" in command]
                return ProcessorMeter(web, worker, environment["REDIS_URL"])
            await asyncio.sleep(0.1)


def _descendants() -> set[psutil.Process]:
    return set(psutil.Process().children(recursive=True))


@asynccontextmanager
async def _recorder(environment: Mapping[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks._game_recorder", stdin=pipe, stdout=pipe, env=environment
    )
    try:
        assert process.stdout is not None
        await process.stdout.readline()
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def _transactions(database_url: str) -> int:
    """Return PostgreSQL's own count, which lags by up to a second. Outside of `atomic` each query is a transaction."""
    url = environ.Env.db_url_config(database_url)
    address = {"dbname": url["NAME"], "user": url["USER"], "host": url["HOST"], "port": url["PORT"]}
    with closing(psycopg2.connect(**address)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()")
        return int(cursor.fetchone()[0])
