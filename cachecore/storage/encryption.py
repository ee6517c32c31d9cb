"""The bytes of a value as they are stored: compressed if that helps, encrypted if the family requires it.

An encrypted value begins with the hash of its key. Somebody who can write to Redis can therefore not pass one user's
value off as another's.
"""

import hashlib
import threading
from functools import lru_cache

import zstandard
from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from cachecore import conf
from cachecore.keys import Family, Key

# Bits of an envelope's `flags`
COMPRESSED = 1
ENCRYPTED = 2

COMPRESS_FROM_BYTES = 1024
MAX_OPENED_BYTES = 1_000_000
MAX_COMPRESSED_SHARE = 0.9  # of the size; a value that zstd shrinks less is stored as it is, which is faster to read

# One compressor and one decompressor per thread: zstandard's objects are not thread-safe.
_zstd = threading.local()


class NotStorable(Exception):
    """The value cannot be stored. `remember` returns it all the same."""


class EncryptionKeyMissing(NotStorable):
    """The family requires encryption and settings.CACHE_ENCRYPTION_KEYS is empty."""

    def __init__(self, family: Family) -> None:
        super().__init__(
            f"Family {family.name} requires encryption: its values are not stored while CACHE_ENCRYPTION_KEYS is empty."
        )


def seal(key: Key, data: bytes) -> tuple[int, bytes]:
    """Compress and encrypt; return the flags and the body. Raises EncryptionKeyMissing."""
    family = key.family
    flags, body = _compress(data) if family.options.compressed else (0, data)
    if family.options.encrypted:
        body, flags = _fernet(family).encrypt(_digest(key) + body), flags | ENCRYPTED
    return flags, body


def unseal(key: Key, flags: int, body: bytes) -> bytes | None:
    """Decrypt and decompress. Return None if that is impossible or unsafe.

    The encryption key is retired, the bytes are damaged or were stored under another key, or a value is in clear
    although its family requires encryption.
    """
    if key.family.options.encrypted != bool(flags & ENCRYPTED):
        return None
    try:
        if flags & ENCRYPTED:
            decrypted, digest = _fernet(key.family).decrypt(body), _digest(key)
            if not decrypted.startswith(digest):
                return None
            body = decrypted[len(digest) :]
        return _decompress(body) if flags & COMPRESSED else body
    except (InvalidToken, EncryptionKeyMissing, zstandard.ZstdError):
        return None


def _digest(key: Key) -> bytes:
    return hashlib.sha256(key.encode()).digest()


def _decompress(body: bytes) -> bytes | None:
    """Return None for more bytes than are ever stored.

    The size is read from the frame, because zstandard ignores `max_output_size` if the frame has one.
    """
    if not 0 <= zstandard.frame_content_size(body) <= MAX_OPENED_BYTES:
        return None
    return _decompressor().decompress(body)


def _compress(data: bytes) -> tuple[int, bytes]:
    if len(data) < COMPRESS_FROM_BYTES:
        return 0, data
    compressed = _compressor().compress(data)
    return (COMPRESSED, compressed) if len(compressed) < MAX_COMPRESSED_SHARE * len(data) else (0, data)


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
