"""Read one state of the table with several statements. A single statement does not need this."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection, transaction


@contextmanager
def consistent_reads() -> Iterator[None]:
    """Make all reads in the block see the same state of the table.

    Within an open transaction they see what that transaction sees.
    """
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
    """Begin transactions in the block without SQLite's write lock, which our settings take first; a reader needs none.

    The setting is in config/settings/database.py.
    """
    if connection.vendor != "sqlite":
        yield
        return
    connection.ensure_connection()  # connecting sets the transaction mode
    database: Any = connection
    mode, database.transaction_mode = database.transaction_mode, "DEFERRED"
    try:
        yield
    finally:
        database.transaction_mode = mode
