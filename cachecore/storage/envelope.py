"""The stored form of a value: its bytes, its times, the versions of its tags, and a random identity.

`MARK + 8 random bytes + msgpack`. The first HEADER_BYTES are the identity, which two stored values never share. A
reader or a script can therefore read them by GETRANGE and know whether a value has changed, without fetching it.
"""

import json
import secrets
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import msgspec
from django.db.models import Model, QuerySet
from django.utils.functional import LazyObject, Promise, empty

from cachecore.keys import Family, Key
from cachecore.storage import encryption
from cachecore.storage.encryption import NotStorable

MARK = b"\xc1\x01"  # a byte that no msgpack, JSON or number begins with, then the version of this format
HEADER_BYTES = len(MARK) + 8
MAX_VALUE_BYTES = 1_000_000


class NotFound:
    """The result of a factory that found nothing. Cached for `CacheOptions.negative_ttl_seconds`."""

    _instance: "NotFound | None" = None

    def __new__(cls) -> "NotFound":
        if cls._instance is None:
            cls._instance = super().__new__(cls)
        return cls._instance

    def __repr__(self) -> str:
        return "NOT_FOUND"

    def __bool__(self) -> bool:
        return False


NOT_FOUND = NotFound()


class ExpiringValue(NamedTuple):
    """The result of a factory that limits the TTL of its value."""

    value: Any
    max_ttl_seconds: float


class ValueTooLarge(NotStorable):
    def __init__(self, family: Family, size: int) -> None:
        super().__init__(
            f"A value of family {family.name} has {size:,} bytes; at most {MAX_VALUE_BYTES:,} are allowed."
        )


class Payload(msgspec.Struct, frozen=True):
    """A value as bytes, neither compressed nor encrypted."""

    data: bytes
    negative: bool = False
    max_ttl_seconds: float | None = None  # if the factory returned an ExpiringValue


class Envelope(msgspec.Struct, array_like=True, frozen=True):
    """What Redis stores after the header. Times are unix ms; `soft_ms` is the soft (logical) expiry.

    `flags` says how `body` is compressed and encrypted (cachecore/storage/encryption.py).
    """

    stored_ms: int
    soft_ms: int
    hard_ms: int
    compute_seconds: float
    tags: dict[str, bytes]
    negative: bool
    flags: int
    body: bytes


class Times(NamedTuple):
    """When a value was stored, and its soft and hard TTL from then on."""

    stored_ms: int
    soft_seconds: float
    hard_seconds: float
    compute_seconds: float = 0.0


# Raised for damaged bytes, and for a value of another release that is no longer of the family's type (ValidationError).
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

_decoder = msgspec.msgpack.Decoder(Envelope)


def pack(family: Family, value: Any) -> Payload:
    """Encode a value, or NOT_FOUND, or an ExpiringValue. Raises TypeError if it cannot be encoded."""
    if isinstance(value, ExpiringValue):
        return msgspec.structs.replace(pack(family, value.value), max_ttl_seconds=float(value.max_ttl_seconds))
    if value is NOT_FOUND:
        return Payload(b"", negative=True)
    encode = _encode_json if family.options.encoding == "json" else _encode
    try:
        return Payload(encode(value))
    except (TypeError, OverflowError, ValueError, RecursionError) as error:
        raise TypeError(f"Family {family.name}: {error}") from error


def _encode_other(value: Any) -> Any:
    """Encode what msgspec cannot: rendered fragments and lazy translations become plain texts. Raises TypeError."""
    if isinstance(value, LazyObject):  # first, because it pretends to be of its value's class
        return _evaluated(value)
    if isinstance(value, str):
        return str.__str__(value)  # str() would return a SafeString unchanged
    if isinstance(value, Promise):
        return str(value)
    if isinstance(value, QuerySet):
        raise TypeError("A QuerySet cannot be stored; store list(queryset.values(...)).")
    if isinstance(value, Model):
        raise TypeError(f"A {type(value).__name__} cannot be stored; store a dictionary of the fields that are shown.")
    raise TypeError(f"Objects of type {type(value).__name__} cannot be stored.")


def _evaluated(value: Any) -> Any:
    """Return the object that a SimpleLazyObject, such as `request.user`, stands for."""
    if value._wrapped is empty:
        value._setup()
    return value._wrapped


_encode = msgspec.msgpack.Encoder(enc_hook=_encode_other).encode
_json_encoder = msgspec.json.Encoder(enc_hook=_encode_other)


def _encode_json(value: Any) -> bytes:
    """Encode as JSON. Raises TypeError for a mapping of which two keys, such as 1 and "1", are one key in JSON."""
    data = _json_encoder.encode(value)
    json.loads(data, object_pairs_hook=_require_unique_names)
    return data


def _require_unique_names(pairs: list[tuple[str, Any]]) -> None:
    names = {name for name, _ in pairs}
    if len(names) < len(pairs):
        repeated = next(name for number, (name, _) in enumerate(pairs) if name in dict(pairs[:number]))
        raise TypeError(f"Two keys of a mapping are the same in JSON: {repeated!r:.100}.")


def unpack(family: Family, payload: Payload) -> Any:
    """Decode a value into a new object, so that a caller may change it. Raises UNREADABLE.

    A caller with a deep stack can still read what was stored from a shallow one: a new thread has an empty stack.
    """
    if payload.negative:
        return NOT_FOUND
    decode = msgspec.json.decode if family.options.encoding == "json" else msgspec.msgpack.decode
    try:
        return decode(payload.data, type=family.options.value_type)
    except RecursionError:
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(decode, payload.data, type=family.options.value_type).result()


def seal(key: Key, payload: Payload, times: Times, tags: Mapping[str, bytes]) -> bytes:
    """Return the bytes to store. Raises NotStorable."""
    if len(payload.data) > MAX_VALUE_BYTES:
        raise ValueTooLarge(key.family, len(payload.data))
    flags, body = encryption.seal(key, payload.data)
    envelope = Envelope(
        times.stored_ms,
        times.stored_ms + round(times.soft_seconds * 1000),
        times.stored_ms + round(times.hard_seconds * 1000),
        times.compute_seconds,
        dict(tags),
        payload.negative,
        flags,
        body,
    )
    return MARK + secrets.token_bytes(8) + msgspec.msgpack.encode(envelope)


def parse(data: bytes) -> Envelope | None:
    """Parse stored bytes. Return None for another format or release: they are treated as a miss."""
    if not data.startswith(MARK):
        return None
    try:
        return _decoder.decode(memoryview(data)[HEADER_BYTES:])
    except UNREADABLE:
        return None


def open_payload(key: Key, envelope: Envelope) -> Payload | None:
    """Decrypt and decompress the value. Return None if that is impossible or unsafe (`encryption.unseal`)."""
    if not envelope.flags and not key.family.options.encrypted:
        return Payload(envelope.body, envelope.negative)
    data = encryption.unseal(key, envelope.flags, envelope.body)
    if data is None or (envelope.negative and data):
        return None
    return Payload(data, envelope.negative)


def header(data: bytes | None) -> bytes:
    """Return the identity of stored bytes; empty if there are none."""
    return data[:HEADER_BYTES] if data is not None else b""
