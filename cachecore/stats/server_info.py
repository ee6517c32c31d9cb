"""Figures reported by the server of each Redis role. Two roles on one server have the same figures."""

from dataclasses import dataclass
from typing import Literal, get_args

from cachecore import versions
from cachecore.keys import Role
from cachecore.redis_client import connections
from cachecore.redis_client.connections import RedisUnavailable

ROLES: tuple[Role, ...] = get_args(Role)
Status = Literal["ok", "degraded", "unavailable"]


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """The figures of one role's server, None if it is unavailable. `breaker` is closed, half-open or open."""

    role: Role
    breaker: str
    memory_used_bytes: int | None = None
    memory_limit_bytes: int | None = None  # 0: no limit
    evicted_keys: int | None = None
    keys: int | None = None

    @property
    def up(self) -> bool:
        return self.keys is not None


def read(role: Role) -> ServerInfo:
    """Read a role's figures in one round trip, or none at all while the breaker is open."""
    try:
        with connections.guarded_client(role) as client, client.pipeline(transaction=False) as pipeline:
            memory, counts, keys = pipeline.info("memory").info("stats").dbsize().execute()
    except RedisUnavailable:
        return ServerInfo(role, connections.breaker(role).state)
    return ServerInfo(
        role,
        connections.breaker(role).state,
        memory_used_bytes=memory["used_memory"],
        memory_limit_bytes=memory.get("maxmemory"),
        evicted_keys=counts["evicted_keys"],
        keys=keys,
    )


def read_all_roles() -> dict[Role, ServerInfo]:
    return {role: read(role) for role in ROLES}


def status(servers: dict[Role, ServerInfo]) -> Status:
    up = sum(server.up for server in servers.values())
    return "ok" if up == len(servers) else "degraded" if up else "unavailable"


def namespace_versions() -> dict[str, int | None]:
    """Return the version of every namespace from Redis, or an empty dict if the state role is unavailable."""
    spaces = tuple(versions.namespaces.values())
    if not spaces:
        return {}
    try:
        with connections.guarded_client("state") as client:
            values = client.mget([space.key for space in spaces])
    except RedisUnavailable:
        return {}
    return versions.parse(spaces, values)
