"""`GET /api/stream/` as an ASGI application that occupies neither a thread nor a database connection. docs/stream.md"""

import random
from collections.abc import Callable, Mapping

import msgspec
from django.conf import settings

from analytics.stream import events
from analytics.stream.admission import AddressFull, Admission, ProcessFull
from analytics.stream.client import Client
from analytics.stream.events import Reason
from analytics.stream.hub import STALLED_SECONDS, Hub
from analytics.stream.process_limits import on_stop_signal, raise_file_limit, set_tcp_user_timeout
from analytics.stream.requests import (
    InvalidQuery,
    LastEventId,
    client_address,
    django_headers,
    parse_last_event_id,
)
from cachecore.asgi import App, Headers, Receive, Scope, Send

# The range of reconnection times sent to clients: they differ so that not all clients reconnect at once.
RETRY_RANGE_MS = (1_000, 4_000)

STREAM_HEADERS: Headers = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store, no-transform"),
    (b"x-accel-buffering", b"no"),  # nginx forwards each event at once
]


class StreamRefused(Exception):
    """The request gets an error response instead of a stream."""

    def __init__(self, status: int, detail: str, *, retry_after: int | None = None, **fields: object) -> None:
        super().__init__(detail)
        self.status = status
        self.body = msgspec.json.encode({"detail": detail, **fields})
        self.headers = [(b"retry-after", str(retry_after).encode())] if retry_after is not None else []


class LiveStream:
    """The ASGI application for PATH. Requests that it must not answer (other methods, a forged Host) go to Django.

    The server's lifespan calls `start` and `stop`.
    """

    def __init__(self, app: App, hub: Hub) -> None:
        self._app = app
        self._hub = hub
        self._admission = Admission(settings.STREAM_MAX_CONNECTIONS, settings.STREAM_MAX_PER_ADDRESS)
        self._closing = self._user_timeout_set = False
        self._unhook: Callable[[], None] = lambda: None

    async def start(self) -> None:
        max_streams = raise_file_limit(settings.STREAM_MAX_CONNECTIONS)
        self._admission = Admission(max_streams, settings.STREAM_MAX_PER_ADDRESS)
        self._unhook = on_stop_signal(self.close)
        await self._hub.start()

    async def stop(self) -> None:
        self._unhook()
        self.close()
        await self._hub.stop()

    def close(self) -> None:
        """End all streams and refuse new ones."""
        self._closing = True
        self._hub.end_all()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        opened = await self._open(scope, receive, send)
        if opened is None:
            return
        client, address = opened
        if not self._user_timeout_set:
            self._user_timeout_set = True
            set_tcp_user_timeout(STALLED_SECONDS)
        self._hub.clients.add(client)
        try:
            await client.serve(receive)
        finally:
            self._hub.clients.discard(client)
            self._admission.leave(address)

    async def _open(self, scope: Scope, receive: Receive, send: Send) -> tuple[Client, str] | None:
        """Start a stream: return the client and its address. Return None if the response is complete already."""
        request_headers = dict(scope["headers"])
        headers = django_headers(scope, request_headers) if scope["method"] in ("GET", "HEAD") else None
        if headers is None:
            await self._app(scope, receive, send)
            return None
        address = client_address(scope, settings.NUM_PROXIES)
        try:
            last = _parse_last_event_id(request_headers, scope["query_string"])
            self._enter(address)
            try:
                client = await self._client(last, send)
                await send({"type": "http.response.start", "status": 200, "headers": [*headers, *STREAM_HEADERS]})
                if scope["method"] == "GET" and not self._closing:
                    return client, address
                await send({"type": "http.response.body", "body": b""})
            except BaseException:
                self._admission.leave(address)
                raise
            self._admission.leave(address)
        except StreamRefused as refusal:
            await _send_refusal(send, headers, refusal)
        return None

    def _enter(self, address: str) -> None:
        if self._closing:
            raise StreamRefused(503, "This server is stopping. Connect again.", retry_after=1)
        try:
            self._admission.enter(address)
        except ProcessFull as error:
            message = "This server has reached its limit of streams. Try again later."
            raise StreamRefused(503, message, retry_after=10) from error
        except AddressFull as error:
            message = "Your address has reached its limit of streams. Close one before you open another."
            raise StreamRefused(429, message, retry_after=30) from error

    async def _client(self, last: LastEventId, send: Send) -> Client:
        """Create the client at its position in the history. No change after this point is missed.

        Raises StreamRefused.
        """
        if not self._hub.available:
            message = "The live stream is unavailable: Redis does not answer or holds no data. Try again later."
            raise StreamRefused(503, message, retry_after=5)
        preamble = events.retry(random.randint(*RETRY_RANGE_MS))
        reason: Reason | None = "unknown_id" if last.malformed else None
        if last.position is not None:
            reason = await self._hub.check_resume(last.position)
        if reason is not None:
            self._hub.resets[reason] += 1
            return Client(self._hub, send, preamble + events.reset(reason), after=None)
        return Client(self._hub, send, preamble, after=last.position.version if last.position else None)


def _parse_last_event_id(headers: Mapping[bytes, bytes], query: bytes) -> LastEventId:
    try:
        return parse_last_event_id(headers, query)
    except InvalidQuery as invalid:
        raise StreamRefused(400, "Invalid input.", errors=invalid.errors) from invalid


async def _send_refusal(send: Send, headers: Headers, refusal: StreamRefused) -> None:
    own = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(refusal.body)).encode()),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": refusal.status, "headers": [*headers, *own, *refusal.headers]})
    await send({"type": "http.response.body", "body": refusal.body})
