"""Content codings: of all there are, answers are kept as they are and in gzip."""

import re
from functools import lru_cache

_NO_WEIGHT = re.compile(r"q=0(\.0{0,3})?")


@lru_cache(maxsize=1024)
def takes_gzip(accept_encoding: str) -> bool:
    """Whether gzip is named, and not with a weight of nothing (RFC 9110, 12.5.3)."""
    for coding in accept_encoding.lower().split(","):
        name, _, weight = coding.partition(";")
        if name.strip() == "gzip":
            return _NO_WEIGHT.fullmatch(weight.replace(" ", "")) is None
    return False
