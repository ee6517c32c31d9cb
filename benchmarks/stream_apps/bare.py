"""The minimal ASGI broadcaster: it has no history, limits, heartbeats or detection of disconnects."""

import asyncio
import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import redis.asyncio

Message = MutableMapping[str, Any]
STREAM = "{analytics}:events"
BACKGROUND_BODY = b"x" * 3_300  # as long as a page of games

waiting: list[asyncio.Future[bytes]] = []
background: set[asyncio.Task[None]] = set()


async def broadcast() -> None:
    client = redis.asyncio.Redis.from_url(os.environ["REDIS_URL"], socket_timeout=None)
    last: str | bytes = "$"
    while True:
        found: Any = await client.xread({STREAM: last}, block=0)
        for _, entries in found:
            for entry_id, fields in entries:
                last = entry_id
                body = b"event: analytics\nid: bare:%s\ndata: %s\n\n" % (entry_id.partition(b"-")[0], fields[b"event"])
                receivers, waiting[:] = waiting[:], []
                for future in receivers:
                    future.set_result(body)


async def application(
    scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
) -> None:
    if scope["type"] == "lifespan":
        return await lifespan(receive, send)
    if scope["path"] != "/api/stream/":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"3300")]})
        return await send({"type": "http.response.body", "body": BACKGROUND_BODY})
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
    body = b"event: snapshot\nid: bare:0\ndata: {}\n\n"
    loop = asyncio.get_running_loop()
    while True:
        future = loop.create_future()
        waiting.append(future)
        await send({"type": "http.response.body", "body": body, "more_body": True})
        body = await future


async def lifespan(receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]) -> None:
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            background.add(asyncio.create_task(broadcast()))
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
