"""A whole HTTP answer as the cache role keeps it, an ordinary value of the cache service."""

import logging

import msgspec

from cachecore import envelope as envelopes
from cachecore.keys import CacheOptions, Family

logger = logging.getLogger(__name__)


class StoredAnswer(msgspec.Struct, array_like=True, frozen=True):
    version: int
    stored_at_ms: int
    expires_at_ms: int
    etag: str
    body: bytes
    gzip: bytes | None


# It carries its gzip, which clients take as it is; to compress it once more would cost every reader.
ANSWER = CacheOptions(value_type=StoredAnswer, compressed=False)

_decoder = msgspec.msgpack.Decoder(StoredAnswer)


def parse(family: Family, data: bytes) -> StoredAnswer | None:
    """What the cache role holds, or None where it is not ours (another release's shape)."""
    envelope = envelopes.parse(data)
    payload = envelopes.opened(family, envelope) if envelope is not None else None
    if payload is not None:
        try:
            return _decoder.decode(payload.data)
        except msgspec.MsgspecError:
            pass
    logger.warning("a stored answer could not be read; it is computed again")
    return None
