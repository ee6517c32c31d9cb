"""What the cache does in an open database transaction.

Invalidations wait for the commit, and so do values that are set. Until then this thread neither reads nor stores what
the transaction has invalidated. The state is kept in Django's own list of on-commit callbacks, so that a rollback, also
to a savepoint, removes it together with everything else.

Nobody else may get a value that was computed from uncommitted rows. A Django execute wrapper therefore inspects every
statement: from the first that may write, this thread stores nothing until the transaction ends. Where a transaction
reads one snapshot of the database (SQLite, REPEATABLE READ), it stores nothing that it computes after its first
statement: another transaction may have committed and invalidated since, and the value would be older than the versions
of its tags. Not recognised: a SELECT that writes through a function, and statements that bypass Django's cursors. The
transaction of a `TestCase` is ignored because it never commits.
"""

import weakref
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any, NamedTuple

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.signals import connection_created
from django.db.transaction import TransactionManagementError

READ_ONLY_STATEMENTS = ("SELECT", "(SELECT", "SAVEPOINT", "RELEASE", "ROLLBACK", "DECLARE", "EXPLAIN", "SHOW")
SNAPSHOT_PER_STATEMENT = frozenset({"READ COMMITTED", "READ UNCOMMITTED"})  # each statement sees what is committed
EXCLUDING_WRITERS = frozenset({"IMMEDIATE", "EXCLUSIVE"})  # SQLite: no other transaction can commit meanwhile

Apply = Callable[[Collection[str], Collection[str]], None]


class DeferredStore(NamedTuple):
    """A value that is stored when the transaction commits, under these canonical tags."""

    tags: tuple[str, ...]
    store: Callable[[], object]


class CommitHook:
    """An on-commit callback of one savepoint: what to invalidate and to store, and what the savepoint has done.

    `has_written`: its rows are visible to this transaction only. `has_snapshot`: a statement has fixed the snapshot
    that the transaction reads.
    """

    def __init__(self) -> None:
        self.keys: set[str] = set()
        self.tags: set[str] = set()
        self.deferred_stores: dict[str, DeferredStore] = {}
        self.has_written = False
        self.has_snapshot = False
        self.apply: Apply | None = None
        self.__qualname__ = type(self).__qualname__  # Django logs a failing callback by this name

    def __call__(self) -> None:
        """Invalidate, then store. Called by Django after the commit."""
        if self.apply is not None:
            self.apply(self.keys | self.deferred_stores.keys(), self.tags)
        for deferred in self.deferred_stores.values():
            deferred.store()

    def supersede(self, keys: Collection[str], tags: Collection[str]) -> None:
        """Drop the deferred stores of these keys and tags. Their keys are still invalidated on commit."""
        superseded = [
            key
            for key, deferred in self.deferred_stores.items()
            if key in keys or not set(tags).isdisjoint(deferred.tags)
        ]
        for key in superseded:
            del self.deferred_stores[key]
            self.keys.add(key)


# The hooks of this process that have work to do on commit. Django's lists keep them alive. While this set is empty, no
# transaction has to be inspected.
pending_hooks: "weakref.WeakSet[CommitHook]" = weakref.WeakSet()


def defer(apply: Apply, keys: Iterable[str], tags: Iterable[str], using: str | None = None) -> bool:
    """Defer an invalidation to the commit of the transaction on `using`. Return False if none is open there.

    None means the default database, and the commit of every other transaction that this thread has open as well,
    because the caller does not say which of them wrote the rows. Raises TransactionManagementError if a database has
    autocommit off, because Django runs no callbacks then.
    """
    key_set, tag_set = set(keys), set(tags)
    for hook in _open_hooks() if pending_hooks else ():
        hook.supersede(key_set, tag_set)
    for connection in _connections(using):
        if connection.in_atomic_block:
            hook = _pending_hook(connection, apply)
            hook.keys.update(key_set)
            hook.tags.update(tag_set)
        elif not connection.autocommit and connection.connection is not None:
            raise TransactionManagementError(
                f"Database {connection.alias!r} has autocommit off: invalidate after the commit, or use atomic()."
            )
    return connections[using or DEFAULT_DB_ALIAS].in_atomic_block


def call_on_commit(callback: Callable[[], None], connection: Any) -> None:
    """Call a callback after the commit, or at once if no transaction is open.

    It is called in front of other apps' callbacks, which may raise or read values that the callback invalidates.
    """
    if not connection.in_atomic_block:
        callback()
        return
    position = sum(1 for _ in _hooks_on(connection))
    connection.run_on_commit.insert(position, (set(connection.savepoint_ids), callback, True))


def store_on_commit(apply: Apply, key: str, deferred: DeferredStore, connection: Any) -> None:
    """Store a value on commit, unless the transaction invalidates it before. A later store of the key replaces it."""
    own_hook = _pending_hook(connection, apply)
    for hook in _open_hooks():
        if hook is not own_hook:
            hook.supersede([key], ())
    own_hook.deferred_stores[key] = deferred


def is_touched(key: str, tags: Iterable[str]) -> bool:
    """Return True if an open transaction of this thread has set or invalidated the key, or invalidated a tag."""
    if not pending_hooks:
        return False
    return is_invalidated(key, tags) or any(key in hook.deferred_stores for hook in _open_hooks())


def is_invalidated(key: str, tags: Iterable[str]) -> bool:
    """Return True if an open transaction of this thread has invalidated the key or one of the tags."""
    if not pending_hooks:
        return False
    return any(key in hook.keys or not hook.tags.isdisjoint(tags) for hook in _open_hooks())


def open_transaction() -> Any:
    """Return a connection of this thread that is in a transaction, preferably the default database's; else None."""
    return next(
        (connection for connection in connections.all(initialized_only=True) if _in_transaction(connection)), None
    )


def has_uncommitted_writes() -> bool:
    """Return True if an open transaction of this thread may have written."""
    return any(_has_written(connection) for connection in connections.all(initialized_only=True))


def must_not_store() -> bool:
    """Return True if values computed by this thread must not be stored or shared.

    Its transaction has written, or reads a snapshot that may be older than the versions of the tags.
    """
    return any(
        _has_written(connection) or _snapshot_is_old(connection)
        for connection in connections.all(initialized_only=True)
    )


def watch_statements(connection: Any, **kwargs: Any) -> None:
    """Inspect the statements of a connection from now on."""
    if _inspect_statement not in connection.execute_wrappers:
        # In front, because `connection.execute_wrapper` removes the last wrapper when its block ends.
        connection.execute_wrappers.insert(0, _inspect_statement)


def _inspect_statement(execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: dict[str, Any]) -> Any:
    connection = context["connection"]
    if _in_transaction(connection):
        if not str(sql).lstrip()[:9].upper().startswith(READ_ONLY_STATEMENTS):
            _hook_of_savepoint(connection).has_written = True
        if _reads_a_snapshot(connection):
            _hook_of_transaction(connection).has_snapshot = True
    return execute(sql, params, many, context)


def _in_transaction(connection: Any) -> bool:
    if not connection.in_atomic_block:
        return False
    return not (connection.atomic_blocks and connection.atomic_blocks[0]._from_testcase)


def _has_written(connection: Any) -> bool:
    if not _in_transaction(connection):
        # With autocommit off any statement may be uncommitted: Django does not report such commits.
        return not connection.in_atomic_block and not connection.autocommit and connection.connection is not None
    if _inspect_statement not in connection.execute_wrappers:  # connected before this module was imported
        watch_statements(connection)
        _hook_of_transaction(connection).has_written = True
    return any(hook.has_written for hook in _hooks_on(connection))


def _snapshot_is_old(connection: Any) -> bool:
    return _in_transaction(connection) and any(hook.has_snapshot for hook in _hooks_on(connection))


def _reads_a_snapshot(connection: Any) -> bool:
    """Return True if the whole transaction reads one snapshot of the database."""
    if connection.vendor == "sqlite":
        return connection.transaction_mode not in EXCLUDING_WRITERS
    level = getattr(connection, "isolation_level", None)  # PostgreSQL: an enumeration; MySQL: a text or None
    name = str(getattr(level, "name", level)).upper().replace("_", " ")
    return connection.vendor in ("postgresql", "mysql") and name not in SNAPSHOT_PER_STATEMENT


def _pending_hook(connection: Any, apply: Apply) -> CommitHook:
    hook = _hook_of_savepoint(connection)
    hook.apply = hook.apply or apply
    pending_hooks.add(hook)
    return hook


def _hook_of_savepoint(connection: Any) -> CommitHook:
    """Return the hook that a rollback to the current savepoint removes. Ten thousand saves share one."""
    return _hook_of(connection, set(connection.savepoint_ids))


def _hook_of_transaction(connection: Any) -> CommitHook:
    """Return the hook that only a rollback of the whole transaction removes."""
    return _hook_of(connection, set())


def _hook_of(connection: Any, savepoints: set[str | None]) -> CommitHook:
    for hook_savepoints, hook, _ in connection.run_on_commit:
        if not isinstance(hook, CommitHook):
            break
        if hook_savepoints == savepoints:
            return hook
    # In front of all other callbacks: one that raises ends the list, and one that reads must not find the old value.
    hook = CommitHook()
    connection.run_on_commit.insert(0, (savepoints, hook, True))
    return hook


def _open_hooks() -> Iterator[CommitHook]:
    for connection in _connections(None):
        yield from _hooks_on(connection)


def _hooks_on(connection: Any) -> Iterator[CommitHook]:
    for _, hook, _ in connection.run_on_commit:
        if not isinstance(hook, CommitHook):
            return  # the hooks are always in front of other callbacks
        yield hook


def _connections(using: str | None) -> Iterable[Any]:
    """Return the connections to inspect. Typed Any because Django's stubs do not know robust callbacks."""
    return [connections[using]] if using is not None else connections.all(initialized_only=True)


connection_created.connect(watch_statements, dispatch_uid="cachecore.writes.transactions")
