"""An export works only while somebody takes what it makes."""

import asyncio
import threading

import pytest
from a2wsgi import WSGIMiddleware

from config.serving.export_pool import Exports
from games.export import stop_when_disconnected

SCOPE = {
    "type": "http",
    "method": "GET",
    "path": "/x",
    "query_string": b"",
    "headers": [],
    "http_version": "1.1",
    "server": ("test", 80),
    "client": ("127.0.0.1", 1),
    "scheme": "http",
    "root_path": "",
}


class Endless:
    """A WSGI application whose answer has no end; it says when its thread was let go."""

    def __init__(self) -> None:
        self.parts = 0
        self.ended = threading.Event()

    def __call__(self, environ, start_response):
        start_response("200 OK", [("Content-Type", "text/csv")])
        return self._body()

    def _body(self):
        try:
            yield from stop_when_disconnected(self._parts())
        finally:
            self.ended.set()

    def _parts(self):
        while True:
            self.parts += 1
            yield b"1,2\n"


def export(send, receive, *, send_seconds: float = 10.0) -> Endless:
    """Run one export to its end."""
    application = Endless()
    exports = Exports(WSGIMiddleware(application, workers=1), send_seconds)

    async def scenario():
        async with asyncio.timeout(20):
            await exports(dict(SCOPE), receive, send)

    asyncio.run(scenario())
    return application


def test_a_client_that_leaves_frees_the_thread():
    sent, left = [], None

    async def send(message):
        nonlocal left
        left = left or asyncio.Event()
        sent.append(message)
        if len(sent) == 5:
            left.set()

    async def receive():
        nonlocal left
        left = left or asyncio.Event()
        await left.wait()
        return {"type": "http.disconnect"}

    application = export(send, receive)
    assert application.ended.is_set()
    assert len(sent) >= 5


@pytest.mark.parametrize("fault", [OSError("closed"), None])
def test_a_client_that_takes_nothing_is_given_up(fault):
    async def send(message):
        if fault is not None:
            raise fault
        await asyncio.Event().wait()  # the client's window is full, for ever

    async def receive():
        await asyncio.Event().wait()

    assert export(send, receive, send_seconds=0.05).ended.is_set()
