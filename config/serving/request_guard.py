"""Let only complete, small and unambiguous requests reach Django's threads.

Threads are few, so a slow or large body must not occupy one: bodies are read before a thread is taken. Headers with an
underscore in their name are dropped, because WSGI cannot distinguish them from those with a dash (X_Forwarded_Proto).
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Collection

from cachecore.asgi import App, Headers, Message, Receive, Scope, Send

MAX_BODIES_BYTES = 64 * 1024 * 1024  # of all requests of a process
MAX_ANONYMOUS_BODY_BYTES = 64 * 1024  # a login form, a guest's order
BODY_GRACE_SECONDS = 10.0
BODY_SECONDS = 60.0
MIN_BYTES_PER_SECOND = 16 * 1024
RETRY_SECONDS = 5

Authenticate = Callable[[Scope], Awaitable[bool]]


class RejectedRequest(Exception):
    """The request is answered with `status` and `detail`; Django does not receive it."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


class ClientDisconnected(Exception):
    """The client disconnected before its body was complete, so no response is sent."""


class BodyMemory:
    """The bytes of all bodies that a process holds. Anonymous clients get half of the limit at most."""

    def __init__(self, max_bytes: int = MAX_BODIES_BYTES) -> None:
        self._max_bytes = max_bytes
        self.used = 0

    def reserve(self, size: int, *, anonymous: bool) -> bool:
        """Count the bytes. Return False if they exceed the limit."""
        if self.used + size > (self._max_bytes // 2 if anonymous else self._max_bytes):
            return False
        self.used += size
        return True

    def release(self, size: int) -> None:
        self.used -= size


class RequestGuard:
    """ASGI middleware in front of the thread pool.

    Under `private_prefix`, a request that is not authenticated is passed on with an empty body, which is not read:
    Django then responds 401 or 403. `public_paths` are exceptions. `deadline` returns the seconds after which a body
    must have more bytes than the given number.
    """

    def __init__(
        self,
        app: App,
        max_body_bytes: int,
        *,
        memory: BodyMemory | None = None,
        authenticate: Authenticate,
        private_prefix: str | None = None,
        public_paths: Collection[str] = (),
        deadline: Callable[[int], float] | None = None,
    ) -> None:
        self._app = app
        self._max_body_bytes = max_body_bytes
        self._memory = memory or BodyMemory()
        self._authenticate = authenticate
        self._private_prefix = private_prefix
        self._public_paths = public_paths
        self._deadline = deadline or body_deadline

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = bytearray()
        try:
            try:
                _reject_non_ascii_query(scope)
                _reject_other_charsets(scope)
                if _has_body(scope) and _announces_body(scope):
                    anonymous = not await self._authenticate(scope)
                    if not (anonymous and self._is_private(scope["path"])):
                        await self._read(scope, receive, body, anonymous=anonymous)
            except RejectedRequest as rejection:
                return await _send_error(send, rejection)
            except ClientDisconnected:
                return None
            headers = _headers(scope, len(body))
            await self._app({**scope, "headers": headers}, _receive_body_then(bytes(body), receive), send)
        finally:
            self._memory.release(len(body))

    def _is_private(self, path: str) -> bool:
        prefix = self._private_prefix
        return prefix is not None and path.startswith(prefix) and path not in self._public_paths

    async def _read(self, scope: Scope, receive: Receive, body: bytearray, *, anonymous: bool) -> None:
        """Read the body within its limits of size, time and memory. Raises RejectedRequest, ClientDisconnected."""
        limit = min(self._max_body_bytes, MAX_ANONYMOUS_BODY_BYTES) if anonymous else self._max_body_bytes
        _reject_large_body(_declared_length(scope), limit)
        begun, more = time.monotonic(), True
        while more:
            try:
                async with asyncio.timeout(begun + self._deadline(len(body)) - time.monotonic()):
                    message = await receive()
            except TimeoutError as error:
                raise RejectedRequest(408, "The request body arrived too slowly.") from error
            if message["type"] == "http.disconnect":
                if _is_chunked(scope):  # the server reports a malformed chunk in the same way
                    raise RejectedRequest(400, "The request body ended early, or a chunk of it is malformed.")
                raise ClientDisconnected
            part = message.get("body", b"")
            _reject_large_body(len(body) + len(part), limit)
            if not self._memory.reserve(len(part), anonymous=anonymous):
                raise RejectedRequest(503, "The server holds too many request bodies. Try again later.")
            body += part
            more = message.get("more_body", False)


def body_deadline(received: int) -> float:
    """Return the seconds after which a body must have more bytes than `received`."""
    return min(BODY_SECONDS, BODY_GRACE_SECONDS + received / MIN_BYTES_PER_SECOND)


def _reject_large_body(length: int, limit: int) -> None:
    if length > limit:
        raise RejectedRequest(413, f"The request body is larger than {limit} bytes.")


def _reject_non_ascii_query(scope: Scope) -> None:
    if not scope["query_string"].isascii():
        raise RejectedRequest(400, "The query string is not ASCII. Percent-encode it.")


def _reject_other_charsets(scope: Scope) -> None:
    """Raise RejectedRequest for a charset other than UTF-8.

    Django would decode the query and the body by it, although JSON is always UTF-8 (RFC 8259).
    """
    for name, value in scope["headers"]:
        charset = value.lower().partition(b"charset=")[2].partition(b";")[0].strip(b"\"' ")
        if name == b"content-type" and _has_body(scope) and charset not in (b"", b"utf-8", b"utf8", b"us-ascii"):
            raise RejectedRequest(415, "The charset must be UTF-8.")


def _has_body(scope: Scope) -> bool:
    return scope["method"] not in ("GET", "HEAD", "OPTIONS")


def _announces_body(scope: Scope) -> bool:
    return _is_chunked(scope) or _declared_length(scope) > 0


def _is_chunked(scope: Scope) -> bool:
    return any(name == b"transfer-encoding" for name, _ in scope["headers"])


def _declared_length(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length":
            if not value.isdigit():
                raise RejectedRequest(400, "Content-Length must be a number.")
            return int(value)
    return 0


def _headers(scope: Scope, body_length: int) -> Headers:
    """Return the headers for Django. Without a Content-Length, WSGI would take a chunked body as empty."""
    headers = [(name, value) for name, value in scope["headers"] if _is_unambiguous(scope, name)]
    if body_length:
        headers.append((b"content-length", str(body_length).encode()))
    return headers


def _is_unambiguous(scope: Scope, name: bytes) -> bool:
    """Return False for a name with an underscore, the framing, and the type of a body that does not exist."""
    if b"_" in name or name in (b"content-length", b"transfer-encoding"):
        return False
    return name != b"content-type" or _has_body(scope)


def _receive_body_then(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that gives the body that was read, and then the client's further messages (disconnect)."""
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_next() -> Message:
        return messages.pop() if messages else await receive()

    return receive_next


async def _send_error(send: Send, rejection: RejectedRequest) -> None:
    body = json.dumps({"detail": rejection.detail}).encode()
    # The rest of the body is not read, so the connection cannot be used again.
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    headers.append((b"connection", b"close"))
    if rejection.status == 503:
        headers.append((b"retry-after", str(RETRY_SECONDS).encode()))
    await send({"type": "http.response.start", "status": rejection.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
