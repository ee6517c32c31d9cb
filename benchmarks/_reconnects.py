"""Clients of the stream that are cut off again and again while it tells changes; what they missed."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field

CLIENTS = 20
SECONDS = 90.0
CLOSE = object()


@dataclass(slots=True)
class Follower:
    """What a client knows: the newest game of its first snapshot, and every game it was told of since."""

    last_id: str = ""
    first: int = 0
    games: set[int] = field(default_factory=set)
    connections: int = 0
    resets: int = 0


@dataclass(frozen=True, slots=True)
class Found:
    reconnects: int
    games: int
    missed: int
    resets: int

    def __str__(self) -> str:
        return (
            f"{self.reconnects:,} reconnects of {CLIENTS} clients under {self.games:,} changes: "
            f"{self.missed} games missed, {self.resets} resets"
        )


async def run(port: int, reconnects: int, change: Callable[[], int]) -> Found:
    """`change` changes the view and returns the new game's id; it may block. Raises TimeoutError."""
    followers = [Follower() for _ in range(CLIENTS)]
    told: list[int] = []
    async with asyncio.timeout(SECONDS):
        following = [
            asyncio.create_task(_follow(port, follower, reconnects // CLIENTS, told)) for follower in followers
        ]
        while any(not follower.last_id for follower in followers):
            await asyncio.sleep(0.01)
        while not all(task.done() for task in following):
            told.append(await asyncio.to_thread(change))
        await asyncio.gather(*following)
    missed = sum(
        sum(game not in follower.games for game in range(follower.first + 1, max(follower.games) + 1))
        for follower in followers
    )
    return Found(
        sum(follower.connections - 1 for follower in followers),
        len(told),
        missed,
        sum(follower.resets for follower in followers),
    )


async def _follow(port: int, follower: Follower, reconnects: int, told: list[int]) -> None:
    """Cut after every second batch, in the middle of the next, while changes go on."""
    for _ in range(reconnects + 1):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        header = f"Last-Event-ID: {follower.last_id}\r\n" if follower.last_id else ""
        writer.write(f"GET /api/stream/ HTTP/1.1\r\nHost: 127.0.0.1\r\n{header}\r\n".encode())
        follower.connections += 1
        batches = 0
        while batches < 2:
            batches += await _hear(reader, follower)
        writer.transport.abort()


async def _hear(reader: asyncio.StreamReader, follower: Follower) -> bool:
    """One event; whether it ended a batch."""
    name, data = "", b""
    while (line := await reader.readline()) != b"\n" or not name:
        if not line:
            raise ConnectionResetError
        if line.startswith(b"event: "):
            name = line[7:-1].decode()
        elif line.startswith(b"id: "):
            follower.last_id = line[4:-1].decode()
        elif line.startswith(b"data: "):
            data = line[6:]
    if name == "snapshot":
        newest = [game["game_id"] for game in json.loads(data)["newest"]]
        follower.first = follower.first or newest[0]
        follower.games.update(newest)
    elif name == "game":
        follower.games.add(json.loads(data)["game_id"])
    follower.resets += name == "reset"
    return name in ("analytics", "snapshot")
