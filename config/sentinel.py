"""Parse the URL of a Redis role that sentinels watch, and configure django-redis for it.

https://github.com/jazzband/django-redis#use-the-sentinel-connection-factory
"""

from typing import Any, NamedTuple
from urllib.parse import urlsplit, urlunsplit

from django.core.exceptions import ImproperlyConfigured

SCHEME = "redis+sentinel"
PORT = 26379


class SentinelRole(NamedTuple):
    """A Redis role behind sentinels. `url` has the service's name in place of the host, as django-redis expects."""

    url: str
    sentinels: list[tuple[str, int]]


def parse_sentinel_url(url: str) -> SentinelRole | None:
    """Parse `redis+sentinel://[user:password@]host:26379,host:26379/service/0`; the default port is 26379.

    Return None for any other scheme. Raises ImproperlyConfigured if the URL names no service.
    """
    parts = urlsplit(url)
    if parts.scheme != SCHEME:
        return None
    credentials, at, hosts = parts.netloc.rpartition("@")
    service, _, database = parts.path.strip("/").partition("/")
    if not hosts or not service:
        raise ImproperlyConfigured(f"A {SCHEME}:// URL must name sentinels and a service: .../<service>/<db>")
    plain = urlunsplit(("redis", credentials + at + service, f"/{database or 0}", parts.query, ""))
    return SentinelRole(plain, [_address(host) for host in hosts.split(",")])


def cache_options(sentinels: list[tuple[str, int]], limits: dict[str, Any]) -> dict[str, Any]:
    """Return the OPTIONS of an alias in CACHES.

    The time limits also apply to the sentinels, so that finding the primary takes no longer than a command.
    """
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
        raise ImproperlyConfigured(f"{SCHEME}://: {host!r} is not host:port.") from error
