"""What the Valkey says of itself: time spent in a command, calls of it, memory."""

from typing import Any

from cachecore.redis_client import connections


def spent_us(command: str) -> int:
    """Microseconds in it so far; those of a script include what it calls."""
    return int(_of(command).get("usec", 0))


def calls(command: str) -> int:
    return int(_of(command).get("calls", 0))


def memory_bytes() -> int:
    with connections.guarded_client("state") as client:
        return int(client.info("memory")["used_memory"])


def _of(command: str) -> dict[str, Any]:
    with connections.guarded_client("state") as client:
        found: dict[str, Any] = client.info("commandstats").get(f"cmdstat_{command}", {})
    return found
