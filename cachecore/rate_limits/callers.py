"""Who is asking, as it stands in a key."""

import unicodedata
from hashlib import blake2b
from ipaddress import IPv6Address, ip_address, ip_network

IPV6_PREFIX = 64  # bits; what one customer is given whole


def user(pk: object) -> str:
    return f"user:{pk}"


def address(text: str) -> str:
    """`ip:203.0.113.7`, `ip:2001:db8::/64`. What is not an address (a proxy's oddity) is counted as one caller."""
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
    """A pair; the name as Django's login form reads it, in one case and hashed: a client wrote it."""
    name = unicodedata.normalize("NFKC", username.strip()).casefold()
    digest = blake2b(name.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    return f"{address(from_address)}:name:{digest}"
