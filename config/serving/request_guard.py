"""What reaches Django's threads: whole, small, unambiguous requests.

A thread is worth more than a coroutine, so a slow or oversized body must not hold one; a header name with an
underscore is dropped because WSGI cannot tell it from the one with a dash (X_Forwarded_Proto).
"""

import json

from cachecore.asgi import App, Message, Receive, Scope, Send


class Refused(Exception):
    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


class Disconnected(Exception):
    """The client left before its body was complete: there is nobody to answer."""


class Intake:
    """ASGI layer in front of the thread pool."""

    def __init__(self, app: App, max_body_bytes: int) -> None:
        self._app = app
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            _refuse_strange_query(scope)
            _refuse_strange_charset(scope)
            body = await self._body(scope, receive)
        except Refused as refused:
            return await _answer(send, refused)
        except Disconnected:
            return None
        headers = [(name, value) for name, value in scope["headers"] if _means_something(scope, name)]
        return await self._app({**scope, "headers": headers}, _replay(body, receive), send)

    async def _body(self, scope: Scope, receive: Receive) -> bytes:
        if not _has_body(scope):
            return b""
        self._refuse_long(_declared_length(scope))
        body, more = bytearray(), True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise Disconnected
            body += message.get("body", b"")
            self._refuse_long(len(body))
            more = message.get("more_body", False)
        return bytes(body)

    def _refuse_long(self, length: int) -> None:
        if length > self._max_body_bytes:
            raise Refused(413, f"The request body is larger than {self._max_body_bytes} bytes.")


def _refuse_strange_query(scope: Scope) -> None:
    if not scope["query_string"].isascii():
        raise Refused(400, "The query string is not ASCII: percent-encode it.")


def _refuse_strange_charset(scope: Scope) -> None:
    """Django would read the query and the body by it; JSON is UTF-8 (RFC 8259)."""
    for name, value in scope["headers"]:
        charset = value.lower().partition(b"charset=")[2].partition(b";")[0].strip(b"\"' ")
        if name == b"content-type" and _has_body(scope) and charset not in (b"", b"utf-8", b"utf8", b"us-ascii"):
            raise Refused(415, "The charset is not UTF-8.")


def _has_body(scope: Scope) -> bool:
    return scope["method"] not in ("GET", "HEAD", "OPTIONS")


def _means_something(scope: Scope, name: bytes) -> bool:
    """Not: a name with an underscore, or the type of a body that is not there."""
    return b"_" not in name and (name != b"content-type" or _has_body(scope))


def _declared_length(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length":
            if not value.isdigit():
                raise Refused(400, "Content-Length is not a number.")
            return int(value)
    return 0


def _replay(body: bytes, receive: Receive) -> Receive:
    """The body that was read, once; then whatever the client still says (that it left)."""
    parts = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Message:
        return parts.pop() if parts else await receive()

    return replayed


async def _answer(send: Send, refused: Refused) -> None:
    body = json.dumps({"detail": refused.detail}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": refused.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
