"""Generate load with `wrk`, or, if it is not installed, with a keep-alive client of our own, without pipelining."""

import asyncio
import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from urllib.parse import urlsplit

EXTRA_TIMEOUT_SECONDS = 15.0
ROTATE = Path(__file__).with_name("rotate.lua")


@dataclass(frozen=True, slots=True)
class Load:
    """The result of one window of load. `failures` are responses other than 200 and broken connections."""

    requests: int
    seconds: float
    failures: int


def generator() -> str:
    """Return the name of the load generator that is used."""
    return "wrk" if shutil.which("wrk") else "benchmarks._load (slower than wrk: trust the CPU figures)"


def run(url: str, paths: Sequence[str], connections: int, seconds: int) -> Load:
    """Request the paths in turn over all connections."""
    wrk = shutil.which("wrk")
    if wrk is not None:
        command = [wrk, "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(ROTATE), url, "--", *paths]
    else:
        command = [sys.executable, "-m", "benchmarks._load", url, str(connections), str(seconds), *paths]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        output, _ = process.communicate(timeout=seconds + EXTRA_TIMEOUT_SECONDS)
    if process.returncode:
        raise RuntimeError(f"{command} ended with {process.returncode}")
    return parse_wrk(output) if wrk is not None else Load(*json.loads(output))


def parse_wrk(output: str) -> Load:
    """Return the figures of wrk's summary. Raises ValueError for any other text."""
    found = re.search(r"(\d+) requests in ([\d.]+)(ms|s|m),", output)
    if found is None:
        raise ValueError(f"not wrk's summary: {output!r}")
    seconds = float(found[2]) * {"ms": 0.001, "s": 1.0, "m": 60.0}[found[3]]
    statuses = re.search(r"Non-2xx or 3xx responses: (\d+)", output)
    broken = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", output)
    failures = sum(int(count) for match in (statuses, broken) if match for count in match.groups())
    return Load(int(found[1]), seconds, failures)


class _Connection(asyncio.Protocol):
    """Sends a request, reads the whole response and repeats. Requires a Content-Length, which all our targets send."""

    def __init__(self, requests: Iterator[bytes], until: float) -> None:
        self._requests, self._until = requests, until
        self._received, self._expected = bytearray(), 0
        self.requests = self.failures = 0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(next(self._requests))

    def data_received(self, data: bytes) -> None:
        self._received += data
        if not self._expected:
            end = self._received.find(b"\r\n\r\n")
            if end < 0:
                return
            self._expected = end + 4 + _content_length(bytes(self._received[:end]))
        if len(self._received) >= self._expected:
            self._response_complete()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.failures += 1
            self.done.set_result(None)

    def _response_complete(self) -> None:
        self.requests += 1
        self.failures += not self._received.startswith(b"HTTP/1.1 200 ")
        self._received.clear()
        self._expected = 0
        if time.monotonic() < self._until:
            self._transport.write(next(self._requests))
        elif not self.done.done():
            self.done.set_result(None)
            self._transport.close()


def _content_length(head: bytes) -> int:
    found = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
    if found is None:
        raise ValueError("a response without Content-Length")
    return int(found[1])


async def _own_client(url: str, connections: int, seconds: int, paths: Sequence[str]) -> Load:
    address = urlsplit(url)
    host, port = address.hostname or "127.0.0.1", address.port or 80
    requests = cycle([f"GET {path} HTTP/1.1\r\nHost: {address.netloc}\r\n\r\n".encode() for path in paths])
    loop, started = asyncio.get_running_loop(), time.monotonic()
    opened = [
        await loop.create_connection(lambda: _Connection(requests, started + seconds), host, port)
        for _ in range(connections)
    ]
    await asyncio.wait_for(asyncio.gather(*(one.done for _, one in opened)), seconds + EXTRA_TIMEOUT_SECONDS)
    elapsed = time.monotonic() - started
    return Load(sum(one.requests for _, one in opened), elapsed, sum(one.failures for _, one in opened))


if __name__ == "__main__":
    load = asyncio.run(_own_client(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:]))
    print(json.dumps([load.requests, load.seconds, load.failures]))
