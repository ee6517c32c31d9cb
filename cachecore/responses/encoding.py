"""Content codings: a response is stored uncompressed and in gzip, in no other coding."""

import re
from functools import lru_cache

_ZERO_WEIGHT = re.compile(r"q=0(\.0{0,3})?")


def takes_gzip(accept_encoding: str) -> bool:
    """Return True if the header names gzip with a weight above zero (RFC 9110, 12.5.3)."""
    for coding in accept_encoding.lower().split(","):
        name, _, weight = coding.partition(";")
        if name.strip() == "gzip":
            return _ZERO_WEIGHT.fullmatch(weight.replace(" ", "")) is None
    return False


# For callers that have bounded the header's length: a cache keeps what clients send.
takes_gzip_cached = lru_cache(maxsize=1024)(takes_gzip)
