"""An export stops when its client disconnects or does not receive."""

import asyncio
import threading

import pytest
from a2wsgi import WSGIMiddleware

from config.serving.export_pool import ExportPool
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
    """A WSGI application with an endless response. `ended` is set when its thread is released."""

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


def export(send, receive, *, send_timeout_seconds: float = 10.0) -> Endless:
    """Run one export until it ends."""
    application = Endless()
    exports = ExportPool(WSGIMiddleware(application, workers=1), send_timeout_seconds)

    async def scenario():
        async with asyncio.timeout(20):
            await exports(dict(SCOPE), receive, send)

    asyncio.run(scenario())
    return application


def test_a_client_that_disconnects_releases_the_thread():
    sent, disconnected = [], None

    async def send(message):
        nonlocal disconnected
        disconnected = disconnected or asyncio.Event()
        sent.append(message)
        if len(sent) == 5:
            disconnected.set()

    async def receive():
        nonlocal disconnected
        disconnected = disconnected or asyncio.Event()
        await disconnected.wait()
        return {"type": "http.disconnect"}

    application = export(send, receive)
    assert application.ended.is_set()
    assert len(sent) >= 5


@pytest.mark.parametrize("fault", [OSError("closed"), None])
def test_the_export_of_a_client_that_does_not_receive_is_ended(fault):
    async def send(message):
        if fault is not None:
            raise fault
        await asyncio.Event().wait()  # the client's receive window stays full

    async def receive():
        await asyncio.Event().wait()

    assert export(send, receive, send_timeout_seconds=0.05).ended.is_set()
