"""A Redis role that sentinels watch: what its URL says, and how django-redis is told.

https://github.com/jazzband/django-redis#use-the-sentinel-connection-factory
"""

from typing import Any, NamedTuple
from urllib.parse import urlsplit, urlunsplit

from django.core.exceptions import ImproperlyConfigured

SCHEME = "redis+sentinel"
PORT = 26379


class Watched(NamedTuple):
    """`url` is as django-redis wants it: the service's name for a host."""

    url: str
    sentinels: list[tuple[str, int]]


def watched(url: str) -> Watched | None:
    """`redis+sentinel://[user:password@]host:26379,host:26379/service/0`, else None; the port is 26379 by default.

    Raises ImproperlyConfigured for one that names no service.
    """
    parts = urlsplit(url)
    if parts.scheme != SCHEME:
        return None
    credentials, at, hosts = parts.netloc.rpartition("@")
    service, _, database = parts.path.strip("/").partition("/")
    if not hosts or not service:
        raise ImproperlyConfigured(f"{SCHEME}:// names its sentinels and a service: .../<service>/<db>")
    plain = urlunsplit(("redis", credentials + at + service, f"/{database or 0}", parts.query, ""))
    return Watched(plain, [_address(host) for host in hosts.split(",")])


def options(sentinels: list[tuple[str, int]], limits: dict[str, Any]) -> dict[str, Any]:
    """Of the alias in CACHES. `limits`: asking who the primary is must not cost more than asking it."""
    return {
        "CLIENT_CLASS": "django_redis.client.SentinelClient",
        "CONNECTION_FACTORY": "django_redis.pool.SentinelConnectionFactory",
        "SENTINELS": sentinels,
        "SENTINEL_KWARGS": limits,
    }


def _address(host: str) -> tuple[str, int]:
    name, _, port = host.partition(":")
    try:
        return name, int(port or PORT)
    except ValueError as error:
        raise ImproperlyConfigured(f"{SCHEME}://: {host!r} is not host:port") from error
