"""A whole HTTP response as a value of the cache service."""

import gzip as zipping
import hashlib
import logging
from typing import Literal

import msgspec

from cachecore.clock import now_ms
from cachecore.keys import CacheOptions, Key
from cachecore.storage import envelope as envelopes

logger = logging.getLogger(__name__)

GZIP_FROM_BYTES = 1024

# Raise the number in a release that changes the bytes of bodies, such as the format of their times. A response with
# another number fails to decode, so what the earlier release stored is computed again instead of served in between.
BodyFormat = Literal[2]  # 1, without a number: times without milliseconds or with microseconds
BODY_FORMAT: BodyFormat = 2


class StoredResponse(msgspec.Struct, array_like=True, frozen=True):
    version: int
    stored_at_ms: int
    expires_at_ms: int
    etag: str
    body: bytes
    gzip: bytes | None
    body_format: BodyFormat

    @classmethod
    def of(cls, body: bytes, version: int, fresh_ms: int) -> "StoredResponse":
        """Return a response stored now. Its ETag is weak, because both codings share it."""
        stored_at = now_ms()
        return cls(
            version=version,
            stored_at_ms=stored_at,
            expires_at_ms=stored_at + fresh_ms,
            etag=f'W/"{hashlib.blake2b(body, digest_size=12).hexdigest()}"',
            body=body,
            gzip=zipping.compress(body, compresslevel=6, mtime=0) if len(body) >= GZIP_FROM_BYTES else None,
            body_format=BODY_FORMAT,
        )

    @property
    def fresh_ms(self) -> int:
        """The time for which it may be served, from when it was made."""
        return self.expires_at_ms - self.stored_at_ms

    @property
    def age_seconds(self) -> int:
        return max(0, now_ms() - self.stored_at_ms) // 1000


# Not compressed: it contains its gzip, which clients receive as it is, and every reader would have to decompress it.
RESPONSE_OPTIONS = CacheOptions(value_type=StoredResponse, compressed=False, cached_before_django=True)

_decoder = msgspec.msgpack.Decoder(StoredResponse)


def parse(key: Key, data: bytes) -> StoredResponse | None:
    """Return the response in a stored value, or None if the value is unreadable (another release's format)."""
    envelope = envelopes.parse(data)
    payload = envelopes.open_payload(key, envelope) if envelope is not None else None
    if payload is not None:
        try:
            return _decoder.decode(payload.data)
        except msgspec.MsgspecError:
            pass
    logger.warning("a stored response of family %s could not be read; it is computed again", key.family.name)
    return None
