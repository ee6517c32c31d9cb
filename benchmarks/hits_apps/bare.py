"""The least an ASGI application can do: one stored answer, whole. The bound for the front door."""

import os
from collections.abc import Awaitable, Callable
from pathlib import Path

from benchmarks.hits_apps.answers import Message, load

_answers = load(Path(os.environ["BENCHMARK_ANSWERS"]))


async def application(
    scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
) -> None:
    if scope["type"] == "http":
        start, body = _answers[scope["path"]]
        await send(start)
        await send(body)
