"""Run the project on a private PostgreSQL and a private Valkey."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from benchmarks._servers import STOP_SECONDS, valkey
from config.stack.children import dies_with_parent
from config.stack.postgres import Postgres

SERVER_VARIABLES = ("DATABASE_URL", "REDIS_URL", "REDIS_HOST", "CACHE_URL", "STATE_URL", "BROKER_URL")
UNLIMITED = "100000000/minute"  # requests are counted as in production, but the limit is never reached


@contextmanager
def private_project() -> Iterator[dict[str, str]]:
    """Yield the environment of a migrated project without games. The cache has database 1, the view database 0."""
    postgres = Postgres()
    with tempfile.TemporaryDirectory(prefix="benchmark-") as directory, valkey(Path(directory)) as url:
        try:
            postgres.start()
            environment = _environment(directory, postgres.url, url)
            run("manage", "migrate", "--verbosity", "0", environment=environment)
            yield environment
        finally:
            postgres.stop()


def run(module: str, *arguments: str, environment: Mapping[str, str]) -> None:
    """Run a module in a process of its own, so that Django reads this environment."""
    subprocess.run([sys.executable, "-m", module, *arguments], env=environment, check=True)


@contextmanager
def celery_worker(environment: Mapping[str, str], log: Path, *, processes: int = 2) -> Iterator[None]:
    """Run a worker as in the Procfile, with two processes. It may still be starting when the block begins."""
    options = ("--quiet", "worker", "--loglevel", "WARNING", "--without-gossip", "--without-mingle")
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "celery", "-A", "config", *options, "--concurrency", str(processes)],
            env=environment,
            stdout=output,
            stderr=output,
            start_new_session=True,
            preexec_fn=dies_with_parent(),
        )
        try:
            yield
        finally:
            _stop(process)


def _stop(process: "subprocess.Popen[bytes]") -> None:
    """Let the worker finish its tasks, then kill its process group."""
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(STOP_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _environment(directory: str, database_url: str, redis_url: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in SERVER_VARIABLES}
    return kept | {
        "DJANGO_SETTINGS_MODULE": "config.settings.local",
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "CACHE_URL": redis_url.replace("db=0", "db=1"),
        "DATA_DIR": directory,
        "SITE": "bcgame",
        "FEED": "none",
        "DEBUG": "false",
        "LOG_LEVEL": "ERROR",
        "RATE_LIMIT_ANALYTICS": UNLIMITED,
        "RATE_LIMIT_GAMES": UNLIMITED,
    }
