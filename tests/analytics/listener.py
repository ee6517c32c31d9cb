"""A process's stream with time in our hands, and clients as an ASGI server would bring them: they may read, stop
reading, and leave."""

import asyncio
import json
from typing import Any, NamedTuple

from analytics.stream.endpoint import LiveStream
from analytics.stream.hub import Hub
from tests.analytics.changes import GAMES, build

SECONDS = 10.0


class Heard(NamedTuple):
    name: str
    data: Any
    id: str | None


def parse(text: bytes) -> list[Heard]:
    """The events of a stream, by the standard's rules as far as we use them; comments and `retry` are left out."""
    events = []
    for block in text.decode().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if "event" in fields:
            events.append(Heard(fields["event"], json.loads(fields["data"]), fields.get("id")))
    return events


class Listener:
    """`async with Listener(app) as listener`: a connection for the block, cut at its end."""

    def __init__(self, app, query="", method="GET", client=("203.0.113.1", "1"), scheme="http", **headers) -> None:
        given = {"host": "testserver", **{name.replace("_", "-"): value for name, value in headers.items()}}
        self._scope = {
            "type": "http",
            "method": method,
            "path": "/api/stream/",
            "query_string": query.encode("latin-1"),
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in given.items()],
            "http_version": "1.1",
            "scheme": scheme,
            "client": client,
        }
        self._app = app
        self._left = asyncio.Event()
        self._news = asyncio.Condition()
        self.reads = asyncio.Event()
        self.reads.set()
        self.bodies: list[bytes] = []
        self.status = 0
        self.headers: dict[str, str] = {}
        self.complete = False

    async def __aenter__(self) -> "Listener":
        self.task = asyncio.create_task(self._app(self._scope, self._receive, self._send))
        return self

    async def __aexit__(self, *error: object) -> None:
        self._left.set()
        await asyncio.wait_for(self.task, SECONDS)

    @property
    def events(self) -> list[Heard]:
        return parse(b"".join(self.bodies))

    @property
    def last_id(self) -> str | None:
        return next((event.id for event in reversed(self.events) if event.id), None)

    async def hears(self, count: int) -> list[Heard]:
        """The first `count` events, when they have come."""
        return (await self.until(lambda: len(self.events) >= count))[:count]

    async def hears_of(self, version: int) -> list[Heard]:
        """All events up to the one with this version as its id."""
        return await self.until(lambda: any(event.id and event.id.endswith(f":{version}") for event in self.events))

    async def until(self, condition) -> list[Heard]:
        async with asyncio.timeout(SECONDS), self._news:
            await self._news.wait_for(condition)
        return self.events

    async def _receive(self):
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message) -> None:
        await self.reads.wait()
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
            assert len(self.headers) == len(message["headers"]), "a header is sent twice"
        else:
            self.bodies.append(message["body"])
            self.complete = not message.get("more_body", False)
        async with self._news:
            self._news.notify_all()


async def answer(app, **request) -> Listener:
    """A request whose answer ends by itself."""
    async with Listener(app, **request) as listener:
        await asyncio.wait_for(listener.task, SECONDS)
    return listener


class Clock:
    """Time as the hub sees it; stands still unless moved."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


class Django:
    """Stands behind the stream: counts what is passed on."""

    def __init__(self) -> None:
        self.methods: list[str] = []

    async def __call__(self, scope, receive, send):
        self.methods.append(scope["method"])
        await send({"type": "http.response.start", "status": 418, "headers": []})
        await send({"type": "http.response.body", "body": b"django"})


class Process:
    """A process's stream: what the front door mounts, with time in our hands."""

    def __init__(self, **options) -> None:
        self.clock = Clock()
        self.hub = Hub(clock=self.clock, **options)
        self.django = Django()
        self.app = LiveStream(self.django, self.hub)

    async def __aenter__(self) -> "Process":
        await self.app.start()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.app.stop()

    def listener(self, **request) -> Listener:
        return Listener(self.app, **request)

    async def is_degraded(self) -> None:
        """Let time pass until what fails has failed for too long."""
        async with asyncio.timeout(SECONDS):
            while self.hub.available:
                self.clock.now += 3
                await asyncio.sleep(0.05)


async def eventually(condition) -> None:
    async with asyncio.timeout(SECONDS):
        while not condition():
            await asyncio.sleep(0.01)


def run(scenario, **options):
    """Run `scenario(process)` against a process that has started on a view of thirty games."""

    async def go():
        async with Process(**options) as process:
            return await scenario(process)

    build(GAMES)
    return asyncio.run(go())
