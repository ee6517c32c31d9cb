"""Start a coroutine at once, and create a task only if it has to wait.

Python 3.12 makes this module unnecessary: asyncio.eager_task_factory does the same.
"""

import asyncio
from collections.abc import Coroutine, Generator
from typing import Any


def start_eagerly(coroutine: Coroutine[Any, None, None]) -> asyncio.Task[None] | None:
    """Run a coroutine up to its first wait. Return a task for the rest, or None if the coroutine has finished.

    Raises what the coroutine raises before its first wait. Up to there `asyncio.current_task` is the caller's task, so
    the coroutine may neither cancel it nor set a timeout.
    """
    try:
        awaited = coroutine.send(None)
    except StopIteration:
        return None
    return asyncio.create_task(_StartedCoroutine(coroutine, awaited))


class _StartedCoroutine(Coroutine[Any, None, None]):
    """A coroutine whose first step was already taken: its first `send` returns what that step awaits."""

    __slots__ = ("_awaited", "_coroutine")

    def __init__(self, coroutine: Coroutine[Any, None, None], awaited: object) -> None:
        self._coroutine = coroutine
        self._awaited = awaited

    def send(self, value: None) -> Any:
        if self._awaited is None:
            return self._coroutine.send(value)
        awaited, self._awaited = self._awaited, None
        return awaited

    def throw(self, *error: Any) -> Any:
        return self._coroutine.throw(*error)

    def close(self) -> None:
        self._coroutine.close()

    def __await__(self) -> Generator[Any, None, None]:
        raise NotImplementedError("only a task may run this coroutine")
