"""A connection to SQLite for which only `migrate` creates the database."""

import sqlite3
from pathlib import Path
from typing import Any


class MissingDatabase(sqlite3.OperationalError):
    """There is no such file."""


class ExistingDatabase(sqlite3.Connection):
    """A connection that does not create its file: a wrong DATA_DIR must not leave an empty database behind.

    For `OPTIONS["factory"]`. https://docs.python.org/3/library/sqlite3.html#sqlite3.connect
    """

    def __init__(self, database: str, *args: Any, **options: Any) -> None:
        if is_file(database) and not Path(database).exists():
            raise MissingDatabase(f"there is no database {database}")
        super().__init__(database, *args, **options)


def is_file(database: str) -> bool:
    return database != ":memory:" and not database.startswith("file:")
