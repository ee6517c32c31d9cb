"""Identities of callers, as used in the keys of their windows."""

import unicodedata
from hashlib import blake2b
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from django.http import HttpRequest
from rest_framework.settings import api_settings

IPV6_PREFIX = 64  # bits; a customer gets a whole /64
MAX_ADDRESS_LENGTH = 64  # an IPv6 address with brackets and a port has at most 53 characters

# A proxy that reports no addresses stands for any number of clients, so they share a higher limit.
SHARED_FACTOR = 5
_SHARED = "proxy:"
UNKNOWN_PROXY = f"{_SHARED}unknown"


def user(pk: object) -> str:
    return f"user:{pk}"


def address(text: str) -> str | None:
    """Return `ip:203.0.113.7` or `ip:2001:db8::/64`, or None if the text is not an address.

    Load balancers add a port to the address, so brackets and a port are removed.
    """
    found = _parse(text)
    if found is None:
        return None
    if not isinstance(found, IPv6Address):
        return f"ip:{found}"
    if found.ipv4_mapped:
        return f"ip:{found.ipv4_mapped}"
    return f"ip:{ip_network((int(found), IPV6_PREFIX), strict=False)}"


def client(forwarded_for: str, peer: str, proxies: int) -> str:
    """Return the identity of a client by its X-Forwarded-For header, its socket's address and the number of proxies.

    Behind proxies it is the address that the outermost trusted proxy reports. If that is not an address (`unknown`),
    all such clients of the proxy share one identity.
    """
    if proxies and forwarded_for.strip():
        reported = forwarded_for.split(",")
        return address(reported[-min(proxies, len(reported))]) or _shared(peer)
    return address(peer) or UNKNOWN_PROXY


def of_request(request: HttpRequest) -> str | None:
    """Return the identity of a request's client. Return None for a request from this process, which has no address."""
    forwarded_for, peer = request.META.get("HTTP_X_FORWARDED_FOR", ""), request.META.get("REMOTE_ADDR") or ""
    proxies = api_settings.NUM_PROXIES or 0
    if not peer and not (proxies and forwarded_for.strip()):
        return None
    return client(forwarded_for, peer, proxies)


def is_shared(identity: str) -> bool:
    """Return True if the identity stands for all clients of a proxy that did not report their addresses."""
    return identity.startswith(_SHARED)


def limit_factor(identity: str) -> int:
    """Return by how much the identity's limit is multiplied."""
    return SHARED_FACTOR if is_shared(identity) else 1


def login(identity: str, username: str) -> str:
    """Return the pair of a client and a username. The name is normalised as in Django's login form, and hashed."""
    name = unicodedata.normalize("NFKC", username.strip()).casefold()
    digest = blake2b(name.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    return f"{identity}:name:{digest}"


def _parse(text: str) -> IPv4Address | IPv6Address | None:
    """Return the address in `198.51.100.9:50211`, `[2001:db8::5]:443`, `[2001:db8::5]` or a bare address."""
    host = text.strip()
    if len(host) > MAX_ADDRESS_LENGTH:
        return None
    port = ""
    if host.startswith("["):
        host, closing, port = host[1:].partition("]")
        if not closing or ":" not in host or (port and not port.startswith(":")):
            return None
        port = port or ":0"
    elif host.count(":") == 1:
        host, colon, port = host.partition(":")
        port = colon + port
    if port and not (port[1:].isascii() and port[1:].isdigit()):
        return None
    try:
        return ip_address(host)
    except ValueError:
        return None


def _shared(peer: str) -> str:
    found = address(peer)
    return UNKNOWN_PROXY if found is None else _SHARED + found.removeprefix("ip:")
