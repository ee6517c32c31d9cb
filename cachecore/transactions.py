"""What an open transaction has invalidated: not read, not stored, and told to everybody when it commits.

The state is Django's own list of on-commit callbacks: a rollback (also to a savepoint) takes our callback away with
everything else, so nothing of a transaction that never was remains.
"""

import weakref
from collections.abc import Callable, Collection, Iterable, Iterator

from django.db import DEFAULT_DB_ALIAS, connections, transaction

Apply = Callable[[Collection[str], Collection[str]], None]


class Pending:
    """Keys and canonical tags to invalidate when the transaction commits."""

    def __init__(self, apply: Apply) -> None:
        self.keys: set[str] = set()
        self.tags: set[str] = set()
        self._apply = apply
        pending.add(self)

    def __call__(self) -> None:
        self._apply(self.keys, self.tags)


# All of this process; they live as long as Django's lists hold them. Empty: no transaction needs to be looked at.
pending: "weakref.WeakSet[Pending]" = weakref.WeakSet()


def defer(apply: Apply, keys: Iterable[str], tags: Iterable[str], using: str | None = None) -> bool:
    """Leave an invalidation to the end of the open transaction; False when none is open."""
    connection = connections[using or DEFAULT_DB_ALIAS]
    if not connection.in_atomic_block:
        return False
    callback = _last_of_this_savepoint(connection)
    if callback is None:
        callback = Pending(apply)
        transaction.on_commit(callback, using=using, robust=True)
    callback.keys.update(keys)
    callback.tags.update(tags)
    return True


def affected(key: str, tags: Iterable[str]) -> bool:
    """Whether an open transaction of this thread has invalidated the key or one of the tags."""
    if not pending:
        return False
    return any(key in callback.keys or not callback.tags.isdisjoint(tags) for callback in _open())


def _open() -> Iterator[Pending]:
    for connection in connections.all(initialized_only=True):
        for _, callback, *_ in connection.run_on_commit:
            if isinstance(callback, Pending):
                yield callback


def _last_of_this_savepoint(connection: object) -> Pending | None:
    """So that ten thousand saves leave one callback, and a savepoint's rollback takes only its own."""
    callbacks = connection.run_on_commit  # type: ignore[attr-defined]
    if not callbacks:
        return None
    savepoints, callback, _ = callbacks[-1]
    same = savepoints == set(connection.savepoint_ids)  # type: ignore[attr-defined]
    return callback if same and isinstance(callback, Pending) else None
