"""What a transaction has not committed is nobody else's, and what it sees may be older than the tags' versions.

Every connection's statements are looked at (a Django execute wrapper): from the first that may write on, this thread
stores nothing until the transaction ends. Where a transaction sees one moment of the database (SQLite, REPEATABLE
READ), it stores nothing that it computes after its first statement: somebody may have committed and invalidated since.

A SELECT that writes, through a function, is not noticed; nor is what bypasses Django's cursors. The transaction of a
`TestCase` counts as none: it never ends.
"""

from collections.abc import Callable
from typing import Any

from django.db import connections
from django.db.backends.signals import connection_created

from cachecore.writes import transactions

READING = ("SELECT", "(SELECT", "SAVEPOINT", "RELEASE", "ROLLBACK", "DECLARE", "EXPLAIN", "SHOW")
ALWAYS_OF_NOW = frozenset({"READ COMMITTED", "READ UNCOMMITTED"})
EXCLUDING_WRITERS = frozenset({"IMMEDIATE", "EXCLUSIVE"})  # SQLite: nobody commits while such a transaction is open


def open_transaction() -> Any:
    """A connection of this thread in a transaction, the default database's before others; else None."""
    return next((connection for connection in connections.all(initialized_only=True) if _is_in_one(connection)), None)


def has_uncommitted_writes() -> bool:
    """Whether an open transaction of this thread may have written."""
    return any(_wrote(connection) for connection in connections.all(initialized_only=True))


def must_not_store() -> bool:
    """Whether what this thread computes from now on is for itself: it has written, or sees an earlier moment."""
    return any(
        _wrote(connection) or _snapshot_is_old(connection) for connection in connections.all(initialized_only=True)
    )


def watch(connection: Any, **kwargs: Any) -> None:
    """In front: `connection.execute_wrapper` takes the last away when it ends."""
    if _note not in connection.execute_wrappers:
        connection.execute_wrappers.insert(0, _note)


def _note(execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: dict[str, Any]) -> Any:
    connection = context["connection"]
    if _is_in_one(connection):
        if not str(sql).lstrip()[:9].upper().startswith(READING):
            transactions.pending_of_savepoint(connection).wrote = True
        if _reads_a_snapshot(connection):
            transactions.pending_of_transaction(connection).began = True
    return execute(sql, params, many, context)


def _is_in_one(connection: Any) -> bool:
    if not connection.in_atomic_block:
        return False
    return not (connection.atomic_blocks and connection.atomic_blocks[0]._from_testcase)


def _wrote(connection: Any) -> bool:
    if not _is_in_one(connection):
        # A commit by hand is not heard of.
        return not connection.in_atomic_block and not connection.autocommit and connection.connection is not None
    if _note not in connection.execute_wrappers:  # connected before this module was imported
        watch(connection)
        transactions.pending_of_transaction(connection).wrote = True
    return any(done.wrote for done in transactions.open_on(connection))


def _snapshot_is_old(connection: Any) -> bool:
    return _is_in_one(connection) and any(done.began for done in transactions.open_on(connection))


def _reads_a_snapshot(connection: Any) -> bool:
    if connection.vendor == "sqlite":
        return connection.transaction_mode not in EXCLUDING_WRITERS
    level = getattr(connection, "isolation_level", None)  # PostgreSQL: an enumeration, MySQL: a text or None
    name = str(getattr(level, "name", level)).upper().replace("_", " ")
    return connection.vendor in ("postgresql", "mysql") and name not in ALWAYS_OF_NOW


connection_created.connect(watch, dispatch_uid="cachecore.writes.uncommitted")
