"""The draw: a committed server seed, a client seed and a nonce decide where the hazards of one game lie.

The module is pure. docs/fairness.md describes every byte, so that a player can repeat a draw without this code.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterator
from itertools import count

SERVER_SEED = re.compile(r"[0-9a-f]{64}")
CLIENT_SEED = re.compile(r"[0-9a-f]{16}")
SERVER_SEED_BYTES = 32
CLIENT_SEED_DIGITS = 16
WORD_BYTES = 4
WORDS = 2**32  # a word is below this


def new_server_seed() -> str:
    """Return 32 random bytes as 64 hexadecimal digits. This text is hashed and used as the key, not its bytes."""
    return secrets.token_hex(SERVER_SEED_BYTES)


def commitment_of(server_seed: str) -> str:
    """Return the SHA-256 of the seed's text: `printf %s SEED | sha256sum`."""
    return hashlib.sha256(server_seed.encode("ascii")).hexdigest()


def default_client_seed(commitment: str, nonce: int) -> str:
    """Return the client seed of a bet whose player set none."""
    return hashlib.sha256(f"{commitment}:{nonce}".encode("ascii")).hexdigest()[:CLIENT_SEED_DIGITS]


def draw_hazards(server_seed: str, client_seed: str, nonce: int, *, columns: int, hazards: int) -> tuple[int, ...]:
    """Return the hazards' columns (1 to `columns`), sorted. All of them are fixed before the first step."""
    lane = list(range(1, columns + 1))
    words = word_stream(server_seed, client_seed, nonce)
    for i in range(hazards):  # Fisher-Yates from the front
        j = i + below(columns - i, words)
        lane[i], lane[j] = lane[j], lane[i]
    return tuple(sorted(lane[:hazards]))


def word_stream(server_seed: str, client_seed: str, nonce: int) -> Iterator[int]:
    """Yield 32-bit words without end: HMAC-SHA256 blocks one after the other, big-endian."""
    key = server_seed.encode("ascii")
    for number in count():
        block = hmac.digest(key, f"{client_seed}:{nonce}:{number}".encode("ascii"), "sha256")
        for start in range(0, len(block), WORD_BYTES):
            yield int.from_bytes(block[start : start + WORD_BYTES], "big")


def below(bound: int, words: Iterator[int]) -> int:
    """Return a number from 0 to `bound` - 1, each with exactly the same chance.

    A word at or above the largest multiple of `bound` is rejected: it would favour the smaller numbers.
    """
    limit = WORDS // bound * bound
    return next(word for word in words if word < limit) % bound
