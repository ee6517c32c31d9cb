"""A process's live stream with a clock under the test's control, and clients as an ASGI server would connect them.

A client may stop reading and may disconnect.
"""

import asyncio
import json
from typing import Any, NamedTuple

from analytics.stream.endpoint import LiveStream
from analytics.stream.hub import Hub
from tests.analytics.changes import GAMES, build

SECONDS = 10.0


class Event(NamedTuple):
    name: str
    data: Any
    id: str | None


def parse(text: bytes) -> list[Event]:
    """Parse the events of a stream by the part of the standard that it uses. Comments and `retry` are left out."""
    events = []
    for block in text.decode().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if "event" in fields:
            events.append(Event(fields["event"], json.loads(fields["data"]), fields.get("id")))
    return events


class StreamClient:
    """`async with StreamClient(app) as stream` connects for the block and disconnects at its end."""

    def __init__(self, app, query="", method="GET", client=("203.0.113.1", "1"), scheme="http", **headers) -> None:
        sent = {"host": "testserver", **{name.replace("_", "-"): value for name, value in headers.items()}}
        self._scope = {
            "type": "http",
            "method": method,
            "path": "/api/stream/",
            "query_string": query.encode("latin-1"),
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in sent.items()],
            "http_version": "1.1",
            "scheme": scheme,
            "client": client,
        }
        self._app = app
        self._disconnected = asyncio.Event()
        self._received = asyncio.Condition()
        self.reading = asyncio.Event()
        self.reading.set()
        self.bodies: list[bytes] = []
        self.status = 0
        self.headers: dict[str, str] = {}
        self.complete = False

    async def __aenter__(self) -> "StreamClient":
        self.task = asyncio.create_task(self._app(self._scope, self._receive, self._send))
        return self

    async def __aexit__(self, *error: object) -> None:
        self._disconnected.set()
        await asyncio.wait_for(self.task, SECONDS)

    @property
    def events(self) -> list[Event]:
        return parse(b"".join(self.bodies))

    @property
    def last_id(self) -> str | None:
        return next((event.id for event in reversed(self.events) if event.id), None)

    async def wait_for_events(self, count: int) -> list[Event]:
        """Wait for `count` events and return them."""
        return (await self.wait_until(lambda: len(self.events) >= count))[:count]

    async def wait_for_version(self, version: int) -> list[Event]:
        """Wait for the event that has this version in its id. Return all events up to then."""
        return await self.wait_until(
            lambda: any(event.id and event.id.endswith(f":{version}") for event in self.events)
        )

    async def wait_until(self, condition) -> list[Event]:
        async with asyncio.timeout(SECONDS), self._received:
            await self._received.wait_for(condition)
        return self.events

    async def _receive(self):
        await self._disconnected.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message) -> None:
        await self.reading.wait()
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
            assert len(self.headers) == len(message["headers"]), "a header is sent twice"
        else:
            self.bodies.append(message["body"])
            self.complete = not message.get("more_body", False)
        async with self._received:
            self._received.notify_all()


async def complete_response(app, **request) -> StreamClient:
    """Send a request and wait for the end of its response, which must end by itself."""
    async with StreamClient(app, **request) as stream:
        await asyncio.wait_for(stream.task, SECONDS)
    return stream


class Clock:
    """The hub's clock. It advances only when the test moves it."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


class NextApp:
    """The application behind the stream. It records the requests that the stream passes on to it."""

    def __init__(self) -> None:
        self.methods: list[str] = []

    async def __call__(self, scope, receive, send):
        self.methods.append(scope["method"])
        await send({"type": "http.response.start", "status": 418, "headers": []})
        await send({"type": "http.response.body", "body": b"django"})


class StreamProcess:
    """The stream of one process, as config/asgi.py mounts it, with a clock under the test's control."""

    def __init__(self, **options) -> None:
        self.clock = Clock()
        self.hub = Hub(clock=self.clock, **options)
        self.next_app = NextApp()
        self.app = LiveStream(self.next_app, self.hub)

    async def __aenter__(self) -> "StreamProcess":
        await self.app.start()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.app.stop()

    def connect(self, **request) -> StreamClient:
        return StreamClient(self.app, **request)

    async def wait_until_degraded(self) -> None:
        """Advance the clock until the failure has lasted for too long."""
        async with asyncio.timeout(SECONDS):
            while self.hub.available:
                self.clock.now += 3
                await asyncio.sleep(0.05)


async def wait_until(condition) -> None:
    async with asyncio.timeout(SECONDS):
        while not condition():
            await asyncio.sleep(0.01)


def run(scenario, **options):
    """Run `scenario(process)` against a process that has started on a view of thirty games."""

    async def start_and_run():
        async with StreamProcess(**options) as process:
            return await scenario(process)

    build(GAMES)
    return asyncio.run(start_and_run())
