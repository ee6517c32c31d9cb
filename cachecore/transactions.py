"""What an open transaction has invalidated: not read, not stored, and told to everybody when it commits.

The state is Django's own list of on-commit callbacks: a rollback (also to a savepoint) takes our callback away with
everything else, so nothing of a transaction that never was remains.
"""

import weakref
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.transaction import TransactionManagementError

Apply = Callable[[Collection[str], Collection[str]], None]


class Pending:
    """Keys and canonical tags to invalidate when the transaction commits."""

    def __init__(self, apply: Apply) -> None:
        self.keys: set[str] = set()
        self.tags: set[str] = set()
        self.__qualname__ = type(self).__qualname__  # Django logs a failing hook by it
        self._apply = apply
        pending.add(self)

    def __call__(self) -> None:
        self._apply(self.keys, self.tags)


# All of this process; they live as long as Django's lists hold them. Empty: no transaction needs to be looked at.
pending: "weakref.WeakSet[Pending]" = weakref.WeakSet()


def defer(apply: Apply, keys: Iterable[str], tags: Iterable[str], using: str | None = None) -> bool:
    """Leave an invalidation to the end of the transaction on `using`; False when none is open there.

    None: the default database, and the end of every other transaction that this thread has open, for nobody says which
    one holds what was written. Raises TransactionManagementError where a commit by hand would not be heard of.
    """
    for connection in _connections(using):
        if connection.in_atomic_block:
            callback = _of_this_savepoint(connection) or _registered(Pending(apply), connection)
            callback.keys.update(keys)
            callback.tags.update(tags)
        elif not connection.autocommit and connection.connection is not None:
            raise TransactionManagementError(
                f"Database {connection.alias!r} commits by hand: invalidate after the commit, or use atomic()."
            )
    return connections[using or DEFAULT_DB_ALIAS].in_atomic_block


def affected(key: str, tags: Iterable[str]) -> bool:
    """Whether an open transaction of this thread has invalidated the key or one of the tags."""
    if not pending:
        return False
    return any(key in callback.keys or not callback.tags.isdisjoint(tags) for callback in _open())


def _open() -> Iterator[Pending]:
    for connection in _connections(None):
        for _, callback, _ in connection.run_on_commit:
            if not isinstance(callback, Pending):
                break  # ours stand in front
            yield callback


def _connections(using: str | None) -> Iterable[Any]:
    """Typed Any because Django's stubs know nothing of robust hooks."""
    return [connections[using]] if using is not None else connections.all(initialized_only=True)


def _registered(callback: Pending, connection: Any) -> Pending:
    """In front of everybody's: a hook that raises ends the list, and one that reads must not find the old value."""
    connection.run_on_commit.insert(0, (set(connection.savepoint_ids), callback, True))
    return callback


def _of_this_savepoint(connection: Any) -> Pending | None:
    """So that ten thousand saves leave one callback, and a savepoint's rollback takes only its own."""
    for savepoints, callback, _ in connection.run_on_commit:
        if not isinstance(callback, Pending):
            return None  # ours stand in front
        if savepoints == set(connection.savepoint_ids):
            return callback
    return None
