"""Let only complete, small and unambiguous requests reach Django's threads.

Threads are few, so a slow or large body must not occupy one: bodies are read before a thread is taken. Headers with an
underscore in their name are dropped, because WSGI cannot distinguish them from those with a dash (X_Forwarded_Proto).
"""

import json

from cachecore.asgi import App, Message, Receive, Scope, Send


class RejectedRequest(Exception):
    """The request is answered with `status` and `detail`; Django does not receive it."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


class ClientDisconnected(Exception):
    """The client disconnected before its body was complete, so no response is sent."""


class RequestGuard:
    """ASGI layer in front of the thread pool."""

    def __init__(self, app: App, max_body_bytes: int) -> None:
        self._app = app
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            _reject_non_ascii_query(scope)
            _reject_other_charsets(scope)
            body = await self._body(scope, receive)
        except RejectedRequest as rejection:
            return await _send_error(send, rejection)
        except ClientDisconnected:
            return None
        headers = [(name, value) for name, value in scope["headers"] if _is_unambiguous(scope, name)]
        return await self._app({**scope, "headers": headers}, _receive_body_then(body, receive), send)

    async def _body(self, scope: Scope, receive: Receive) -> bytes:
        if not _has_body(scope):
            return b""
        self._reject_large_body(_declared_length(scope))
        body, more = bytearray(), True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnected
            body += message.get("body", b"")
            self._reject_large_body(len(body))
            more = message.get("more_body", False)
        return bytes(body)

    def _reject_large_body(self, length: int) -> None:
        if length > self._max_body_bytes:
            raise RejectedRequest(413, f"The request body is larger than {self._max_body_bytes} bytes.")


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


def _is_unambiguous(scope: Scope, name: bytes) -> bool:
    """Return False for a name with an underscore, and for the content type of a request without a body."""
    return b"_" not in name and (name != b"content-type" or _has_body(scope))


def _declared_length(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length":
            if not value.isdigit():
                raise RejectedRequest(400, "Content-Length must be a number.")
            return int(value)
    return 0


def _receive_body_then(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that gives the body that was read, and then the client's further messages (disconnect)."""
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_next() -> Message:
        return messages.pop() if messages else await receive()

    return receive_next


async def _send_error(send: Send, rejection: RejectedRequest) -> None:
    body = json.dumps({"detail": rejection.detail}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": rejection.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
