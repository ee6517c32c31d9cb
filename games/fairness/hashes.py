import re
from string import hexdigits

HASH_DIGITS = 64

# Not int(text, 16) or bytes.fromhex: they take full-width digits, signs, underscores and blanks.
_HASH = re.compile(r"[0-9a-fA-F]{64}")


class MalformedHash(ValueError):
    """Not 64 hexadecimal digits. Never a reason to call a game 1.00x."""


def normalise_hash(text: str) -> str:
    """Return `text` in lower case. Nothing is stripped: a hash with a blank was cut from something else."""
    if _HASH.fullmatch(text):
        return text.lower()
    if len(text) != HASH_DIGITS:
        raise MalformedHash(f"expected {HASH_DIGITS} hexadecimal digits, got {len(text)}")
    position, stranger = next(
        (position, character) for position, character in enumerate(text, 1) if character not in hexdigits
    )
    raise MalformedHash(f"expected {HASH_DIGITS} hexadecimal digits, found {stranger!r} at position {position}")
