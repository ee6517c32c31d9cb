"""Identities of callers, as used in the keys of their windows."""

import unicodedata
from hashlib import blake2b
from ipaddress import IPv6Address, ip_address, ip_network

IPV6_PREFIX = 64  # bits; a customer gets a whole /64


def user(pk: object) -> str:
    return f"user:{pk}"


def address(text: str) -> str:
    """Return `ip:203.0.113.7` or `ip:2001:db8::/64`. All texts that are no address count as one caller."""
    try:
        found = ip_address(text)
    except ValueError:
        return "ip:unknown"
    if not isinstance(found, IPv6Address):
        return f"ip:{found}"
    if found.ipv4_mapped:
        return f"ip:{found.ipv4_mapped}"
    return f"ip:{ip_network((int(found), IPV6_PREFIX), strict=False)}"


def login(from_address: str, username: str) -> str:
    """Return the pair of address and username. The name is normalised as in Django's login form, and hashed."""
    name = unicodedata.normalize("NFKC", username.strip()).casefold()
    digest = blake2b(name.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    return f"{address(from_address)}:name:{digest}"
