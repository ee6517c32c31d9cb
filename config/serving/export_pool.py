"""Run exports in a thread pool of their own, and end them when the client disconnects."""

import asyncio
import logging
from contextlib import suppress
from threading import Event

from cachecore.asgi import App, Message, Receive, Scope, Send
from games.export import client_disconnected

logger = logging.getLogger(__name__)

SEND_TIMEOUT_SECONDS = 30.0  # for one part; the export of a client that takes longer is ended


class ExportPool:
    """ASGI layer around a pool of WSGI threads. A context variable tells the thread that the client disconnected."""

    def __init__(self, pool: App, send_timeout_seconds: float = SEND_TIMEOUT_SECONDS) -> None:
        self._pool = pool
        self._send_timeout_seconds = send_timeout_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        disconnected = Event()
        client_disconnected.set(disconnected)
        waiting = asyncio.create_task(_wait_for_disconnect(receive, disconnected))
        try:
            await self._pool(scope, _receive_empty_body, self._with_timeout(send, disconnected))
        finally:
            waiting.cancel()
            with suppress(asyncio.CancelledError):
                await waiting

    def _with_timeout(self, send: Send, disconnected: Event) -> Send:
        """Return a `send` that drops a part that cannot be sent in time, and sets `disconnected` for the thread."""

        async def send_with_timeout(message: Message) -> None:
            if disconnected.is_set():
                return
            try:
                await asyncio.wait_for(send(message), self._send_timeout_seconds)
            except (TimeoutError, OSError, RuntimeError) as error:
                logger.info("export ended: the client cannot receive it: %r", error)
                disconnected.set()

        return send_with_timeout


async def _wait_for_disconnect(receive: Receive, disconnected: Event) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    disconnected.set()


async def _receive_empty_body() -> Message:
    """Return an empty body: an export reads none, and `_wait_for_disconnect` receives the client's messages."""
    return {"type": "http.request", "body": b"", "more_body": False}
