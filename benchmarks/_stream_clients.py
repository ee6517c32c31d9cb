"""Many clients of one event stream in a process of their own, on raw sockets without an HTTP library.

python -m benchmarks._stream_clients PORT CONNECTIONS

The first line of output says that all clients are connected and have received an event. After a line on stdin, the
second says when each client received which version. After another line, and when the server has stopped, the third
says how many streams ended properly, and when the last one ended.
"""

import asyncio
import json
import re
import resource
import sys
import time
from collections import defaultdict
from typing import cast

import uvloop

CONCURRENT_CONNECTS = 256
CONNECT_SECONDS = 60.0
CLOSE_SECONDS = 20.0
LAST_CHUNK = b"0\r\n\r\n"  # ends a chunked body
ID = re.compile(rb"\nid: \w+:(\d+)\n")
REQUEST = b"GET /api/stream/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


class ClientTotals:
    """The totals of all clients. `received` maps a version to the times of its arrival, one per client."""

    def __init__(self) -> None:
        self.received: defaultdict[int, list[float]] = defaultdict(list)
        self.resets = self.open = self.closed_properly = 0
        self.last_closed = 0.0
        self.all_closed = asyncio.Event()


class StreamClient(asyncio.Protocol):
    __slots__ = ("_clients", "_rest", "first_event")

    def __init__(self, clients: ClientTotals) -> None:
        self._clients = clients
        self._rest = b""
        self.first_event = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._clients.open += 1
        cast(asyncio.Transport, transport).write(REQUEST)  # uvloop's transport is not a subclass

    def data_received(self, data: bytes) -> None:
        now = time.monotonic()
        data = self._rest + data
        end = data.rfind(b"\n\n") + 1  # only complete events are parsed; the second newline stays in front of the next
        self._rest = data[end:]
        for version in ID.findall(data, 0, end):
            if self.first_event.done():
                self._clients.received[int(version)].append(now)
            else:
                self.first_event.set_result(None)
        self._clients.resets += data.count(b"event: reset\n", 0, end)

    def connection_lost(self, error: Exception | None) -> None:
        clients = self._clients
        clients.open -= 1
        clients.closed_properly += self._rest.endswith(LAST_CHUNK)
        clients.last_closed = time.monotonic()
        if not clients.open:
            clients.all_closed.set()
        if not self.first_event.done():
            self.first_event.set_exception(error or ConnectionResetError())


async def main(port: int, connections: int) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    loop, clients, slots = asyncio.get_running_loop(), ClientTotals(), asyncio.Semaphore(CONCURRENT_CONNECTS)

    async def connect() -> asyncio.BaseTransport:
        async with slots:
            transport, listener = await loop.create_connection(lambda: StreamClient(clients), "127.0.0.1", port)
            await listener.first_event
            return transport

    started = time.monotonic()
    async with asyncio.timeout(CONNECT_SECONDS):
        kept = await asyncio.gather(*(connect() for _ in range(connections)))
    print(json.dumps({"connected": len(kept), "seconds": time.monotonic() - started}), flush=True)
    await loop.run_in_executor(None, sys.stdin.readline)
    print(json.dumps({"received": clients.received, "resets": clients.resets}), flush=True)
    await loop.run_in_executor(None, sys.stdin.readline)
    async with asyncio.timeout(CLOSE_SECONDS):
        await clients.all_closed.wait()
    print(json.dumps({"closed_properly": clients.closed_properly, "last_closed": clients.last_closed}), flush=True)


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), int(sys.argv[2])))
