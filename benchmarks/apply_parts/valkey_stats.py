"""Read Valkey's own statistics: time spent in a command, number of its calls, memory."""

from typing import Any

from cachecore.redis_client import connections


def time_in_command_us(command: str) -> int:
    """Return the microseconds spent in a command so far. A script's time includes the commands that it calls."""
    return int(_command_stats(command).get("usec", 0))


def calls(command: str) -> int:
    return int(_command_stats(command).get("calls", 0))


def memory_bytes() -> int:
    with connections.guarded_client("state") as client:
        return int(client.info("memory")["used_memory"])


def _command_stats(command: str) -> dict[str, Any]:
    with connections.guarded_client("state") as client:
        found: dict[str, Any] = client.info("commandstats").get(f"cmdstat_{command}", {})
    return found
