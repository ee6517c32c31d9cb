"""What stands under a key: a value with its times, the versions of its tags, and an identity of its own.

`MARK + 8 random bytes + msgpack`. The first HEADER_BYTES are the identity: two stored values never share it, so a
reader (or a script, by GETRANGE) learns whether the value it knows still stands without fetching it.
"""

import secrets
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec
from django.db.models import Model, QuerySet
from django.utils.functional import Promise

from cachecore.keys import Family, Key
from cachecore.storage import encryption
from cachecore.storage.encryption import NotStorable

MARK = b"\xc1\x01"  # a byte that no msgpack, JSON or number begins with, and the format's version
HEADER_BYTES = len(MARK) + 8
MAX_VALUE_BYTES = 1_000_000


class NotFound:
    """What a factory returns when there is nothing: kept for `CacheOptions.negative` seconds."""

    _only: "NotFound | None" = None

    def __new__(cls) -> "NotFound":
        if cls._only is None:
            cls._only = super().__new__(cls)
        return cls._only

    def __repr__(self) -> str:
        return "NOT_FOUND"

    def __bool__(self) -> bool:
        return False


NOT_FOUND = NotFound()


class Lasting(NamedTuple):
    """What a factory returns that knows better how long its value holds: no longer than the TTL it was asked with."""

    value: Any
    seconds: float


class ValueTooLarge(NotStorable):
    def __init__(self, family: Family, size: int) -> None:
        super().__init__(f"{family.name}: a value of {size:,} bytes; the limit is {MAX_VALUE_BYTES:,}")


class Payload(msgspec.Struct, frozen=True):
    """A value as bytes, neither compressed nor encrypted."""

    data: bytes
    negative: bool = False
    lasting: float | None = None  # seconds, where the factory said how long it holds


class Envelope(msgspec.Struct, array_like=True, frozen=True):
    """All that Redis keeps of a value. Times are unix ms; `soft_ms` is the logical expiry."""

    stored_ms: int
    soft_ms: int
    hard_ms: int
    compute_seconds: float
    tags: dict[str, bytes]
    negative: bool
    form: int
    body: bytes


class Times(NamedTuple):
    """When a value was stored, and how long it is fresh and may be served at all; seconds from then."""

    stored_ms: int
    soft_seconds: float
    hard_seconds: float
    compute_seconds: float = 0.0


# Damage, or a value of another release that is not of the family's type any more (msgspec.ValidationError).
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError)

_decoder = msgspec.msgpack.Decoder(Envelope)


def pack(family: Family, value: Any) -> Payload:
    """Raises TypeError for a value that cannot be encoded."""
    if isinstance(value, Lasting):
        return msgspec.structs.replace(pack(family, value.value), lasting=value.seconds)
    if value is NOT_FOUND:
        return Payload(b"", negative=True)
    encode = _encode_json if family.options.encoding == "json" else _encode
    try:
        return Payload(encode(value))
    except (TypeError, OverflowError, ValueError, RecursionError) as error:
        raise TypeError(f"{family.name}: {error}") from error


def _plain(value: Any) -> str:
    """What msgspec does not know: rendered fragments and lazy translations are texts."""
    if isinstance(value, str):
        return str.__str__(value)  # str() would give a SafeString back as it is
    if isinstance(value, Promise):
        return str(value)
    if isinstance(value, QuerySet):
        raise TypeError("a QuerySet cannot be stored; store list(queryset.values(...))")
    if isinstance(value, Model):
        raise TypeError(f"a {type(value).__name__} cannot be stored; store a dictionary of the fields that are shown")
    raise TypeError(f"Encoding objects of type {type(value).__name__} is unsupported")


_encode = msgspec.msgpack.Encoder(enc_hook=_plain).encode
_encode_json = msgspec.json.Encoder(enc_hook=_plain).encode


def unpack(family: Family, payload: Payload) -> Any:
    """A new object every time: what a caller does to it, nobody else sees. Raises UNREADABLE."""
    if payload.negative:
        return NOT_FOUND
    decode = msgspec.json.decode if family.options.encoding == "json" else msgspec.msgpack.decode
    return decode(payload.data, type=family.options.value_type)


def seal(key: Key, payload: Payload, times: Times, tags: Mapping[str, bytes]) -> bytes:
    """The bytes to store. Raises NotStorable."""
    if len(payload.data) > MAX_VALUE_BYTES:
        raise ValueTooLarge(key.family, len(payload.data))
    form, body = encryption.seal(key, payload.data)
    envelope = Envelope(
        times.stored_ms,
        times.stored_ms + round(times.soft_seconds * 1000),
        times.stored_ms + round(times.hard_seconds * 1000),
        times.compute_seconds,
        dict(tags),
        payload.negative,
        form,
        body,
    )
    return MARK + secrets.token_bytes(8) + msgspec.msgpack.encode(envelope)


def parse(data: bytes) -> Envelope | None:
    """None for bytes of another format or release: they count as nothing."""
    if not data.startswith(MARK):
        return None
    try:
        return _decoder.decode(memoryview(data)[HEADER_BYTES:])
    except UNREADABLE:
        return None


def open_payload(key: Key, envelope: Envelope) -> Payload | None:
    """None when it cannot be opened (a retired key, damage, another key's, the family has become sensitive)."""
    if not envelope.form and not key.family.options.encrypted:
        return Payload(envelope.body, envelope.negative)
    data = encryption.opened(key, envelope.form, envelope.body)
    if data is None or (envelope.negative and data):
        return None
    return Payload(data, envelope.negative)


def header(data: bytes | None) -> bytes:
    return data[:HEADER_BYTES] if data is not None else b""
