"""Patterns of keys, parsed once. A part is inserted unchanged if that is unambiguous, else as its hash."""

import hashlib
import re
import string
from collections.abc import Callable, Iterable, Mapping

MAX_PART_LENGTH = 200  # characters; a longer part of a cache key is hashed
# Parts of these types are hashed, so that `None` and the text "None" make different keys.
NOT_TEXTS = (type(None), bool, bytes)

# Characters of an unchanged part. A part with any other (spaces, newlines, braces, *, other scripts) is hashed.
_SAFE = r"A-Za-z0-9_.,/@=~+\-"
_is_plain = re.compile(rf"[{_SAFE}]{{0,{MAX_PART_LENGTH}}}").fullmatch
_is_plain_with_colons = re.compile(rf"[{_SAFE}:]{{0,{MAX_PART_LENGTH}}}").fullmatch
_HASHED = "blake2:"
_is_plain_and_not_hash = re.compile(rf"(?!{_HASHED})[{_SAFE}:]{{0,{MAX_PART_LENGTH}}}").fullmatch

Piece = tuple[str, str | None, str | None, str | None]  # as string.Formatter.parse yields them


class Pattern:
    """A pattern such as `games:list:{parameters}:{version}`. `safe`: hash parts that would make a key ambiguous.

    Raises ValueError for a field with a format or conversion.
    """

    __slots__ = ("_rules", "_template", "fields", "prefix")

    def __init__(self, text: str, *, safe: bool) -> None:
        pieces = list(string.Formatter().parse(text))
        names = [name for _, name, _, _ in pieces if name is not None]
        if any(spec or conversion for _, _, spec, conversion in pieces):
            raise ValueError(f"Fields of the pattern {text} must be names in braces, without format or conversion.")
        self.fields = frozenset(names)
        self.prefix = _up_to_first_field(pieces)
        self._template = "".join(
            literal.replace("%", "%%") + ("%s" if name is not None else "") for literal, name, _, _ in pieces
        )
        self._rules = tuple((name, _rule(name, len(self.fields)) if safe else str) for name in names)

    def format(self, parts: Mapping[str, object]) -> str:
        """Return the key with these parts. Raises KeyError for a missing part."""
        return self._template % tuple([rule(parts[name]) for name, rule in self._rules])


def part_among_others(part: object) -> str:
    """Return one of several parts; hash it if it contains a colon, which would be ambiguous."""
    if isinstance(part, NOT_TEXTS):
        return _hashed_not_text(part)
    text = str(part)
    return text if _is_plain(text) else hashed(text)


def only_part(part: object) -> str:
    """Return the only part of a pattern, in which a colon is unambiguous.

    A text that looks like a hash is hashed itself, so that it cannot equal the hash of another text.
    """
    if isinstance(part, NOT_TEXTS):
        return _hashed_not_text(part)
    text = str(part)
    return text if _is_plain_and_not_hash(text) else hashed(text)


def joined_parts(part: object) -> str:
    """Return parameters joined by `canonical_parameters`: their colons and hash are part of the key's grammar."""
    text = str(part)
    return text if _is_plain_with_colons(text) else hashed(text)


def hashed(text: str) -> str:
    """Return `blake2:` and the hash of a text."""
    # surrogatepass: a client can send a lone surrogate.
    return _HASHED + hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _hashed_not_text(part: object) -> str:
    digest = hashlib.blake2b(repr(part).encode(), digest_size=16, person=b"not a text").hexdigest()
    return _HASHED + digest


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
