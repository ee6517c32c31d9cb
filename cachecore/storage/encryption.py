"""A value's bytes as they are stored: compressed when that helps, encrypted when the family is sensitive.

What is encrypted begins with the hash of its key: who can write to Redis cannot pass one user's value off as
another's.
"""

import hashlib
import threading
from functools import lru_cache

import zstandard
from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from cachecore import conf
from cachecore.keys import Family, Key

COMPRESSED = 1
ENCRYPTED = 2

COMPRESS_FROM_BYTES = 1024
MAX_OPENED_BYTES = 1_000_000
WORTH_IT = 0.9  # of its size: what zstd does not make a tenth smaller is kept as it is, and is cheaper to read

# One pair per thread: zstandard's objects are not for two threads at once.
_zstd = threading.local()


class NotStorable(Exception):
    """The value cannot be kept. `remember` returns it all the same."""


class EncryptionKeyMissing(NotStorable):
    """A sensitive family without settings.CACHE_ENCRYPTION_KEYS: its values are refused."""

    def __init__(self, family: Family) -> None:
        super().__init__(f"family {family.name} is sensitive and CACHE_ENCRYPTION_KEYS is empty: not stored")


def seal(key: Key, data: bytes) -> tuple[int, bytes]:
    """(form, body). Raises EncryptionKeyMissing."""
    family = key.family
    form, body = _compressed(data) if family.options.compressed else (0, data)
    if family.options.encrypted:
        body, form = _fernet(family).encrypt(_bound_to(key) + body), form | ENCRYPTED
    return form, body


def opened(key: Key, form: int, body: bytes) -> bytes | None:
    """None when it cannot be read: the encryption key is retired, the bytes are damaged or were stored under another
    key, or a sensitive value is in clear."""
    if key.family.options.encrypted != bool(form & ENCRYPTED):
        return None
    try:
        if form & ENCRYPTED:
            decrypted, bound = _fernet(key.family).decrypt(body), _bound_to(key)
            if not decrypted.startswith(bound):
                return None
            body = decrypted[len(bound) :]
        return _decompressed(body) if form & COMPRESSED else body
    except (InvalidToken, EncryptionKeyMissing, zstandard.ZstdError):
        return None


def _bound_to(key: Key) -> bytes:
    return hashlib.sha256(key.encode()).digest()


def _decompressed(body: bytes) -> bytes | None:
    """None for more than we ever store, by what the frame says of itself: `max_output_size` only counts without it."""
    if not 0 <= zstandard.frame_content_size(body) <= MAX_OPENED_BYTES:
        return None
    return _decompressor().decompress(body)


def _compressed(data: bytes) -> tuple[int, bytes]:
    if len(data) < COMPRESS_FROM_BYTES:
        return 0, data
    smaller = _compressor().compress(data)
    return (COMPRESSED, smaller) if len(smaller) < WORTH_IT * len(data) else (0, data)


def _fernet(family: Family) -> MultiFernet:
    keys = conf.encryption_keys()
    if not keys:
        raise EncryptionKeyMissing(family)
    return _multi_fernet(tuple(keys))


@lru_cache(maxsize=4)
def _multi_fernet(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(key) for key in keys])


def _compressor() -> zstandard.ZstdCompressor:
    if not hasattr(_zstd, "compressor"):
        _zstd.compressor = zstandard.ZstdCompressor(level=3)
    return _zstd.compressor  # type: ignore[no-any-return]


def _decompressor() -> zstandard.ZstdDecompressor:
    if not hasattr(_zstd, "decompressor"):
        _zstd.decompressor = zstandard.ZstdDecompressor()
    return _zstd.decompressor  # type: ignore[no-any-return]
