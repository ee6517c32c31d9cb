"""Validate and normalise the hashes of games."""

import re
from string import hexdigits

HASH_DIGITS = 64

# int(text, 16) and bytes.fromhex would also accept full-width digits, signs, underscores and blanks.
_HASH = re.compile(r"[0-9a-fA-F]{64}")


class MalformedHash(ValueError):
    """The text is not 64 hexadecimal digits. It has no crash point; it must not be treated as 1.00x."""


def normalise_hash(text: str) -> str:
    """Return `text` in lower case. Raises MalformedHash.

    Blanks are not stripped: a hash with a blank was probably cut out of another text.
    """
    if _HASH.fullmatch(text):
        return text.lower()
    if len(text) != HASH_DIGITS:
        raise MalformedHash(f"expected {HASH_DIGITS} hexadecimal digits, got {len(text)}")
    position, invalid = next(
        (position, character) for position, character in enumerate(text, 1) if character not in hexdigits
    )
    raise MalformedHash(f"expected {HASH_DIGITS} hexadecimal digits, found {invalid!r} at position {position}")
