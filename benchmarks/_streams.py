"""Many clients of one event stream, in a process of their own: raw sockets, no HTTP library.

python -m benchmarks._streams PORT CONNECTIONS

Prints a line when all are connected and have heard something; after a line on stdin, when each heard what; after
another, when the server is gone: how many streams had a proper end, and when the last of them.
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

AT_ONCE = 256
CONNECT_SECONDS = 60.0
END_SECONDS = 20.0
END = b"0\r\n\r\n"  # of a body in chunks
ID = re.compile(rb"\nid: \w+:(\d+)\n")
REQUEST = b"GET /api/stream/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


class Clients:
    """What all of them heard: version -> the times it was heard at, one for each client."""

    def __init__(self) -> None:
        self.heard: defaultdict[int, list[float]] = defaultdict(list)
        self.resets = self.open = self.ended = 0
        self.last_ended = 0.0
        self.all_gone = asyncio.Event()


class Listener(asyncio.Protocol):
    __slots__ = ("_clients", "_rest", "begun")

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self._rest = b""
        self.begun = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._clients.open += 1
        cast(asyncio.Transport, transport).write(REQUEST)  # uvloop's is not one by its class

    def data_received(self, data: bytes) -> None:
        now = time.monotonic()
        data = self._rest + data
        end = data.rfind(b"\n\n") + 1  # an event is looked at when it is whole; the second of the newlines stays
        self._rest = data[end:]
        for version in ID.findall(data, 0, end):
            if self.begun.done():
                self._clients.heard[int(version)].append(now)
            else:
                self.begun.set_result(None)
        self._clients.resets += data.count(b"event: reset\n", 0, end)

    def connection_lost(self, error: Exception | None) -> None:
        clients = self._clients
        clients.open -= 1
        clients.ended += self._rest.endswith(END)
        clients.last_ended = time.monotonic()
        if not clients.open:
            clients.all_gone.set()
        if not self.begun.done():
            self.begun.set_exception(error or ConnectionResetError())


async def main(port: int, connections: int) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    loop, clients, slots = asyncio.get_running_loop(), Clients(), asyncio.Semaphore(AT_ONCE)

    async def connect() -> asyncio.BaseTransport:
        async with slots:
            transport, listener = await loop.create_connection(lambda: Listener(clients), "127.0.0.1", port)
            await listener.begun
            return transport

    started = time.monotonic()
    async with asyncio.timeout(CONNECT_SECONDS):
        kept = await asyncio.gather(*(connect() for _ in range(connections)))
    print(json.dumps({"connected": len(kept), "seconds": time.monotonic() - started}), flush=True)
    await loop.run_in_executor(None, sys.stdin.readline)
    print(json.dumps({"heard": clients.heard, "resets": clients.resets}), flush=True)
    await loop.run_in_executor(None, sys.stdin.readline)
    async with asyncio.timeout(END_SECONDS):
        await clients.all_gone.wait()
    print(json.dumps({"ended": clients.ended, "last": clients.last_ended}), flush=True)


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), int(sys.argv[2])))
