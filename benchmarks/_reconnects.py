"""Disconnect clients of the stream again and again while it publishes changes, and count what they missed."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field

CLIENTS = 20
TIMEOUT_SECONDS = 90.0
CLOSE = object()


@dataclass(slots=True)
class ReconnectingClient:
    """The state of a client: the newest game of its first snapshot, and every game that it has received since."""

    last_id: str = ""
    first: int = 0
    games: set[int] = field(default_factory=set)
    connections: int = 0
    resets: int = 0


@dataclass(frozen=True, slots=True)
class ReconnectResult:
    reconnects: int
    games: int
    missed: int
    resets: int

    def __str__(self) -> str:
        return (
            f"{self.reconnects:,} reconnects of {CLIENTS} clients under {self.games:,} changes: "
            f"{self.missed} games missed, {self.resets} resets"
        )


async def run(port: int, reconnects: int, change: Callable[[], int]) -> ReconnectResult:
    """Reconnect all clients while `change` changes the view, and return what they missed.

    `change` returns the id of the new game, and may block. Raises TimeoutError.
    """
    clients = [ReconnectingClient() for _ in range(CLIENTS)]
    published: list[int] = []
    async with asyncio.timeout(TIMEOUT_SECONDS):
        tasks = [asyncio.create_task(_reconnect_repeatedly(port, client, reconnects // CLIENTS)) for client in clients]
        while any(not client.last_id for client in clients):
            await asyncio.sleep(0.01)
        while not all(task.done() for task in tasks):
            published.append(await asyncio.to_thread(change))
        await asyncio.gather(*tasks)
    missed = sum(
        sum(game not in client.games for game in range(client.first + 1, max(client.games) + 1)) for client in clients
    )
    return ReconnectResult(
        sum(client.connections - 1 for client in clients),
        len(published),
        missed,
        sum(client.resets for client in clients),
    )


async def _reconnect_repeatedly(port: int, client: ReconnectingClient, reconnects: int) -> None:
    """Disconnect after every second batch, in the middle of the next one, while changes continue."""
    for _ in range(reconnects + 1):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        header = f"Last-Event-ID: {client.last_id}\r\n" if client.last_id else ""
        writer.write(f"GET /api/stream/ HTTP/1.1\r\nHost: 127.0.0.1\r\n{header}\r\n".encode())
        client.connections += 1
        batches = 0
        while batches < 2:
            batches += await _read_event(reader, client)
        writer.transport.abort()


async def _read_event(reader: asyncio.StreamReader, client: ReconnectingClient) -> bool:
    """Read one event into the client's state. Return True if it ended a batch."""
    name, data = "", b""
    while (line := await reader.readline()) != b"\n" or not name:
        if not line:
            raise ConnectionResetError
        if line.startswith(b"event: "):
            name = line[7:-1].decode()
        elif line.startswith(b"id: "):
            client.last_id = line[4:-1].decode()
        elif line.startswith(b"data: "):
            data = line[6:]
    if name == "snapshot":
        newest = [game["game_id"] for game in json.loads(data)["newest"]]
        client.first = client.first or newest[0]
        client.games.update(newest)
    elif name == "game":
        client.games.add(json.loads(data)["game_id"])
    client.resets += name == "reset"
    return name in ("analytics", "snapshot")
