"""Who wants to hear what."""

from collections.abc import Callable, Iterator
from typing import Any, Literal, NamedTuple

Kind = Literal["channel", "pattern"]


class Message(NamedTuple):
    """`pattern` is the one that matched; None for a subscription to the channel itself."""

    channel: str
    data: Any
    pattern: str | None = None


class Subject(NamedTuple):
    kind: Kind
    name: str


Callback = Callable[[Message], None]


def checked(name: Any) -> str:
    """A channel or pattern. Raises ValueError for what the server cannot be told: it would end the one connection of
    the process again and again, and with it every other subscription."""
    if not isinstance(name, str) or not name or not _is_utf8(name):
        raise ValueError(f"a channel is a text that is not empty and that UTF-8 can say, not {name!r:.100}")
    return name


class Registry:
    """Callbacks by subject, each once, in the order of their subscription. Its user holds a lock."""

    def __init__(self) -> None:
        self._callbacks: dict[Subject, dict[Callback, None]] = {}

    def add(self, subject: Subject, callback: Callback) -> None:
        self._callbacks.setdefault(subject, {})[callback] = None

    def remove(self, subject: Subject, callback: Callback | None) -> bool:
        """One callback or, for None, all; whether there was any."""
        callbacks = self._callbacks.get(subject, {})
        gone = [one for one in callbacks if callback is None or one == callback]
        for one in gone:
            del callbacks[one]
        if not callbacks:
            self._callbacks.pop(subject, None)
        return bool(gone)

    def callbacks(self, subject: Subject) -> tuple[Callback, ...]:
        return tuple(self._callbacks.get(subject, ()))

    def clear(self) -> None:
        self._callbacks.clear()

    def __iter__(self) -> Iterator[Subject]:
        return iter(tuple(self._callbacks))

    def __len__(self) -> int:
        return len(self._callbacks)


def text(name: bytes) -> str:
    """A channel's name as the server tells it; strangers may use any bytes."""
    return name.decode("utf-8", "surrogateescape")


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
