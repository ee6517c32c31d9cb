"""Several statements, one state of the table. A single statement needs none of this."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection, transaction


@contextmanager
def consistent_reads() -> Iterator[None]:
    """What is read in the block is read of one state of the table; in a transaction, of whatever that sees."""
    if connection.in_atomic_block:
        yield
        return
    with _deferred_on_sqlite(), transaction.atomic():
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


@contextmanager
def _deferred_on_sqlite() -> Iterator[None]:
    """On SQLite our transactions begin with the write lock (config/settings/database.py); a reader needs none."""
    if connection.vendor != "sqlite":
        yield
        return
    connection.ensure_connection()  # the mode is known from then on
    database: Any = connection
    mode, database.transaction_mode = database.transaction_mode, "DEFERRED"
    try:
        yield
    finally:
        database.transaction_mode = mode
