"""Send a request to an ASGI application, as a server does."""

from typing import NamedTuple


class ReceivedResponse(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


async def send_request(app, path="/", query="", method="GET", body=b"", **headers) -> ReceivedResponse:
    """Send one request. Header names are written with underscores for dashes."""
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": query.encode("latin-1"),
        "headers": [
            (b"host", b"testserver"),
            *((name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()),
        ],
        "http_version": "1.1",
        "scheme": "http",
    }
    chunks = [body]
    sent = []

    async def receive():
        return (
            {"type": "http.request", "body": chunks.pop(0), "more_body": bool(chunks)}
            if chunks
            else {"type": "http.disconnect"}
        )

    async def send(message):
        sent.append(message)

    await app(scope, receive, send)
    start = sent[0]
    names = [name for name, _ in start["headers"]]
    assert len(names) == len(set(names)), "a header is sent twice"
    return ReceivedResponse(
        start["status"],
        {name.decode(): value.decode() for name, value in start["headers"]},
        b"".join(message.get("body", b"") for message in sent[1:]),
    )
