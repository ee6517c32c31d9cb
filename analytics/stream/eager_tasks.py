"""Coroutines begun at once; a task only for those that have to wait. Python 3.12 has it: asyncio.eager_task_factory."""

import asyncio
from collections.abc import Coroutine, Generator
from typing import Any


def start_eagerly(coroutine: Coroutine[Any, None, None]) -> asyncio.Task[None] | None:
    """Run it as far as it goes without waiting; the task for the rest, None when it is done. Raises what it raises.

    Until it waits, `asyncio.current_task` is the caller's: it may neither cancel that nor set a timeout.
    """
    try:
        awaited = coroutine.send(None)
    except StopIteration:
        return None
    return asyncio.create_task(_StartedCoroutine(coroutine, awaited))


class _StartedCoroutine(Coroutine[Any, None, None]):
    """The first step was taken: what came of it is what the first step is answered with."""

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
        raise NotImplementedError("a task of its own runs it")
