"""A family's pattern, read once, and how a part stands in a key: as it is where that is safe, else as its hash."""

import hashlib
import re
import string
from collections.abc import Callable, Iterable, Mapping

MAX_PART_LENGTH = 200  # characters; a longer part of a cache key is hashed

# What a part may hold as it is; anything else (spaces, newlines, braces, *, other scripts) is hashed.
_SAFE = r"A-Za-z0-9_.,/@=~+\-"
_is_plain = re.compile(rf"[{_SAFE}]{{0,{MAX_PART_LENGTH}}}").fullmatch
_is_plain_with_colons = re.compile(rf"[{_SAFE}:]{{0,{MAX_PART_LENGTH}}}").fullmatch
_HASHED = "blake2:"
_is_plain_and_no_hash = re.compile(rf"(?!{_HASHED})[{_SAFE}:]{{0,{MAX_PART_LENGTH}}}").fullmatch

Piece = tuple[str, str | None, str | None, str | None]  # what string.Formatter.parse yields


class Pattern:
    """`games:list:{parameters}:{version}`. `safe`: parts that could be mistaken for something else are hashed.

    Raises ValueError for a field with a format of its own.
    """

    __slots__ = ("_rules", "_template", "fields", "prefix")

    def __init__(self, text: str, *, safe: bool) -> None:
        pieces = list(string.Formatter().parse(text))
        names = [name for _, name, _, _ in pieces if name is not None]
        if any(spec or conversion for _, _, spec, conversion in pieces):
            raise ValueError(f"pattern {text}: a field is a name in braces and nothing else")
        self.fields = frozenset(names)
        self.prefix = _up_to_first_field(pieces)
        self._template = "".join(
            literal.replace("%", "%%") + ("%s" if name is not None else "") for literal, name, _, _ in pieces
        )
        self._rules = tuple((name, _rule(name, len(self.fields)) if safe else str) for name in names)

    def filled(self, parts: Mapping[str, object]) -> str:
        """Raises KeyError for a missing part."""
        return self._template % tuple([rule(parts[name]) for name, rule in self._rules])


def part_among_others(part: object) -> str:
    """A colon would be ambiguous."""
    text = str(part)
    return text if _is_plain(text) else hashed(text)


def only_part(part: object) -> str:
    """A colon is unambiguous; a text that looks like a hash is hashed itself, so that two parts never meet."""
    text = str(part)
    return text if _is_plain_and_no_hash(text) else hashed(text)


def joined_parts(part: object) -> str:
    """Joined by `canonical_parameters`, whose colons and hash are part of the key's grammar."""
    text = str(part)
    return text if _is_plain_with_colons(text) else hashed(text)


def hashed(text: str) -> str:
    # surrogatepass: a lone surrogate from a client is a text like any other.
    return _HASHED + hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _up_to_first_field(pieces: Iterable[Piece]) -> str:
    prefix = ""
    for literal, name, _, _ in pieces:
        prefix += literal
        if name is not None:
            break
    return prefix


def _rule(name: str, fields: int) -> Callable[[object], str]:
    if name == "parameters":
        return joined_parts
    return only_part if fields == 1 else part_among_others
