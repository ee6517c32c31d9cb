"""The minimal ASGI application, which sends one stored response. It is the upper bound for our own."""

import os
from collections.abc import Awaitable, Callable
from pathlib import Path

from benchmarks.hits_apps.stored_responses import Message, load

_responses = load(Path(os.environ["BENCHMARK_RESPONSES"]))


async def application(
    scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
) -> None:
    if scope["type"] == "http":
        start, body = _responses[scope["path"]]
        await send(start)
        await send(body)
