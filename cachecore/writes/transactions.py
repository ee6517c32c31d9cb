"""What an open transaction has invalidated: not read, not stored, and told to everybody when it commits. What it
has set waits for the commit, too; what it has written to its database is noted by cachecore/writes/uncommitted.py.

The state is Django's own list of on-commit callbacks: a rollback (also to a savepoint) takes our callback away with
everything else, so nothing of a transaction that never was remains.
"""

import weakref
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any, NamedTuple

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.transaction import TransactionManagementError

Apply = Callable[[Collection[str], Collection[str]], None]


class DeferredStore(NamedTuple):
    """A value that is stored when the transaction commits, under these canonical tags."""

    tags: tuple[str, ...]
    store: Callable[[], object]


class Pending:
    """What a transaction (one of its savepoints) leaves for its commit, and what it has done so far.

    `wrote`: its rows are nobody else's yet. `began`: statements ran, so what it sees may be fixed already.
    """

    def __init__(self) -> None:
        self.keys: set[str] = set()
        self.tags: set[str] = set()
        self.deferred_stores: dict[str, DeferredStore] = {}
        self.wrote = False
        self.began = False
        self.apply: Apply | None = None
        self.__qualname__ = type(self).__qualname__  # Django logs a failing hook by it

    def __call__(self) -> None:
        if self.apply is not None:
            self.apply(self.keys | self.deferred_stores.keys(), self.tags)
        for value in self.deferred_stores.values():
            value.store()

    def supersede(self, keys: Collection[str], tags: Collection[str]) -> None:
        """What was set before is not to be stored any more; the value before it is as invalid as it was."""
        for key in [
            k for k, value in self.deferred_stores.items() if k in keys or not set(tags).isdisjoint(value.tags)
        ]:
            del self.deferred_stores[key]
            self.keys.add(key)


# Those of this process with something for their commit; they live as long as Django's lists hold them. Empty: no
# transaction needs to be looked at.
pending: "weakref.WeakSet[Pending]" = weakref.WeakSet()


def defer(apply: Apply, keys: Iterable[str], tags: Iterable[str], using: str | None = None) -> bool:
    """Leave an invalidation to the end of the transaction on `using`; False when none is open there.

    None: the default database, and the end of every other transaction that this thread has open, for nobody says which
    one holds what was written. Raises TransactionManagementError where a commit by hand would not be heard of.
    """
    gone, changed = set(keys), set(tags)
    for callback in _open() if pending else ():
        callback.supersede(gone, changed)
    for connection in _connections(using):
        if connection.in_atomic_block:
            callback = _for_commit(connection, apply)
            callback.keys.update(gone)
            callback.tags.update(changed)
        elif not connection.autocommit and connection.connection is not None:
            raise TransactionManagementError(
                f"Database {connection.alias!r} commits by hand: invalidate after the commit, or use atomic()."
            )
    return connections[using or DEFAULT_DB_ALIAS].in_atomic_block


def store_on_commit(apply: Apply, key: str, value: DeferredStore, connection: Any) -> None:
    """Store a value when the transaction commits, unless it invalidates it until then; the last one set counts."""
    mine = _for_commit(connection, apply)
    for callback in _open():
        if callback is not mine:
            callback.supersede([key], ())
    mine.deferred_stores[key] = value


def is_touched(key: str, tags: Iterable[str]) -> bool:
    """Whether an open transaction of this thread has set or invalidated the key, or invalidated one of the tags."""
    if not pending:
        return False
    return is_invalidated(key, tags) or any(key in callback.deferred_stores for callback in _open())


def is_invalidated(key: str, tags: Iterable[str]) -> bool:
    if not pending:
        return False
    return any(key in callback.keys or not callback.tags.isdisjoint(tags) for callback in _open())


def pending_of_savepoint(connection: Any) -> Pending:
    """Registered at need, so that ten thousand saves leave one, and a savepoint's rollback takes only its own."""
    return _of_savepoints(connection, set(connection.savepoint_ids))


def pending_of_transaction(connection: Any) -> Pending:
    """What no savepoint's rollback takes away."""
    return _of_savepoints(connection, set())


def open_on(connection: Any) -> Iterator[Pending]:
    for _, callback, _ in connection.run_on_commit:
        if not isinstance(callback, Pending):
            return  # ours stand in front
        yield callback


def _open() -> Iterator[Pending]:
    for connection in _connections(None):
        yield from open_on(connection)


def _for_commit(connection: Any, apply: Apply) -> Pending:
    callback = pending_of_savepoint(connection)
    callback.apply = callback.apply or apply
    pending.add(callback)
    return callback


def _connections(using: str | None) -> Iterable[Any]:
    """Typed Any because Django's stubs know nothing of robust hooks."""
    return [connections[using]] if using is not None else connections.all(initialized_only=True)


def _of_savepoints(connection: Any, savepoints: set[str | None]) -> Pending:
    for noted, callback, _ in connection.run_on_commit:
        if not isinstance(callback, Pending):
            break
        if noted == savepoints:
            return callback
    # In front of everybody's: a hook that raises ends the list, and one that reads must not find the old value.
    callback = Pending()
    connection.run_on_commit.insert(0, (savepoints, callback, True))
    return callback
