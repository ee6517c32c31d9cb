"""Long answers: a thread of their own pool works for them only while somebody takes what it makes."""

import asyncio
import logging
from contextlib import suppress
from threading import Event

from cachecore.asgi import App, Message, Receive, Scope, Send
from games.export import client_disconnected

logger = logging.getLogger(__name__)

SEND_SECONDS = 30.0  # for one part; a client that takes longer is given up


class Exports:
    """ASGI layer around a pool of WSGI threads. A context variable tells the thread that the client has left."""

    def __init__(self, pool: App, send_seconds: float = SEND_SECONDS) -> None:
        self._pool = pool
        self._send_seconds = send_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        gone = Event()
        client_disconnected.set(gone)
        watching = asyncio.create_task(_watch(receive, gone))
        try:
            await self._pool(scope, _nothing, self._guarded(send, gone))
        finally:
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching

    def _guarded(self, send: Send, gone: Event) -> Send:
        """The thread waits for each part; one that cannot be sent is dropped, and the thread finds `gone` set."""

        async def guarded(message: Message) -> None:
            if gone.is_set():
                return
            try:
                await asyncio.wait_for(send(message), self._send_seconds)
            except (TimeoutError, OSError, RuntimeError) as error:
                logger.info("an export is given up: %r", error)
                gone.set()

        return guarded


async def _watch(receive: Receive, gone: Event) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    gone.set()


async def _nothing() -> Message:
    """An export has no body to read; what the client says belongs to the watcher."""
    return {"type": "http.request", "body": b"", "more_body": False}
