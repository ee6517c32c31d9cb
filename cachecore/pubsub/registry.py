"""The subscriptions of a process: callbacks by channel or pattern."""

from collections.abc import Callable, Iterator
from typing import Any, Literal, NamedTuple

Kind = Literal["channel", "pattern"]


class Message(NamedTuple):
    """A received message. `pattern` is the pattern that matched, or None for a subscription to the channel itself."""

    channel: str
    data: Any
    pattern: str | None = None


class Subject(NamedTuple):
    """The subject of a subscription: a channel or a pattern."""

    kind: Kind
    name: str


Callback = Callable[[Message], None]


def validated_name(name: Any) -> str:
    """Return the name of a channel or pattern. Raises ValueError if it cannot be sent to the server.

    An invalid name would end the process's only connection again and again, and with it every other subscription.
    """
    if not isinstance(name, str) or not name or not _is_utf8(name):
        raise ValueError(f"a channel must be a non-empty text that can be encoded in UTF-8, not {name!r:.100}")
    return name


class Registry:
    """Callbacks by subject, each once, in the order of their subscription. Its user must hold a lock."""

    def __init__(self) -> None:
        self._callbacks: dict[Subject, dict[Callback, None]] = {}

    def add(self, subject: Subject, callback: Callback) -> None:
        self._callbacks.setdefault(subject, {})[callback] = None

    def remove(self, subject: Subject, callback: Callback | None) -> bool:
        """Remove one callback, or all for None. Return True if any was removed."""
        callbacks = self._callbacks.get(subject, {})
        removed = [one for one in callbacks if callback is None or one == callback]
        for one in removed:
            del callbacks[one]
        if not callbacks:
            self._callbacks.pop(subject, None)
        return bool(removed)

    def callbacks(self, subject: Subject) -> tuple[Callback, ...]:
        return tuple(self._callbacks.get(subject, ()))

    def clear(self) -> None:
        self._callbacks.clear()

    def __iter__(self) -> Iterator[Subject]:
        return iter(tuple(self._callbacks))

    def __len__(self) -> int:
        return len(self._callbacks)


def decode_name(name: bytes) -> str:
    """Decode a channel's name as received; other programs may use any bytes."""
    return name.decode("utf-8", "surrogateescape")


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
