"""Try what serving needs of each Redis role. A PING succeeds on a server whose permissions allow nothing else."""

from cachecore.keys import Role
from cachecore.redis_client import connections
from cachecore.responses.switches import SWITCHED_OFF
from cachecore.schedule import LAST_RUN
from cachecore.storage.clear_times import CLEARED
from cachecore.tags import TAG_VERSION

_TAG = TAG_VERSION.key(name="readyz")
_SCRIPT = ("EVAL", "return 1", 0)
COMMANDS: dict[Role, tuple[tuple[str | int, ...], ...]] = {
    "cache": (("MGET", _TAG), ("GETRANGE", _TAG, 0, 0), _SCRIPT),
    "state": (
        ("GET", LAST_RUN.key(name="readyz")),
        ("SMEMBERS", SWITCHED_OFF.key()),
        ("HGETALL", CLEARED.key()),
        ("PUBLISH", "readyz", ""),
        _SCRIPT,
    ),
}


def probe(role: Role) -> None:
    """Send the commands that serving needs. Raises RedisUnavailable, with the first that was refused."""
    with connections.guarded_client(role) as client, client.pipeline(transaction=False) as pipeline:
        for command in COMMANDS[role]:
            pipeline.execute_command(*command)
        pipeline.execute()
