"""Send the requests of a log at their times over keep-alive connections, however slowly the server responds."""

import asyncio
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from benchmarks.replay_parts.log import Entry

TIMEOUT_SECONDS = 20.0

_Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True, slots=True)
class TimedResponse:
    """A response. `due_at` is the time in the log, by the monotonic clock.

    `seconds` includes the wait for a busy server. `outcome` is the value of X-Cache.
    """

    due_at: float
    seconds: float
    status: int
    outcome: str


class Client:
    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        self._host, self._port, self._netloc = address.hostname or "", address.port or 80, address.netloc
        self._idle: list[_Connection] = []

    async def replay(self, entries: Iterable[Entry]) -> list[TimedResponse]:
        """Send all requests in an open loop, in which none waits for another's response; then close the connections."""
        began = time.monotonic()
        tasks = []
        for entry in entries:
            await asyncio.sleep(max(0.0, began + entry.at - time.monotonic()))
            tasks.append(asyncio.create_task(self._request(entry, began + entry.at)))
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                return await asyncio.gather(*tasks)
        finally:
            while self._idle:
                _, writer = self._idle.pop()
                writer.close()

    async def _request(self, entry: Entry, due: float) -> TimedResponse:
        connection = self._idle.pop() if self._idle else await asyncio.open_connection(self._host, self._port)
        reader, writer = connection
        zone = f"X-Timezone: {entry.zone}\r\n" if entry.zone else ""
        writer.write(
            f"GET {entry.path} HTTP/1.1\r\nHost: {self._netloc}\r\nAccept-Encoding: gzip\r\n{zone}\r\n".encode()
        )
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        await reader.readexactly(int(_header(head, "content-length")))
        response = TimedResponse(due, time.monotonic() - due, int(head.split(" ", 2)[1]), _header(head, "x-cache"))
        self._idle.append(connection)
        return response


def _header(head: str, name: str) -> str:
    found = re.search(rf"(?i)\r\n{name}: *([^\r]*)", head)
    if found is None:
        raise ValueError(f"a response without {name}: {head!r}")
    return found[1]
