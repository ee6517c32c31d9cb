"""Server seeds at rest: Fernet under PLAY_SEED_KEYS. The first key encrypts, all of them decrypt.

https://cryptography.io/en/latest/fernet/
"""

import logging
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings

from games.play.draw import commitment_of
from games.play.errors import SeedsUnavailable

logger = logging.getLogger(__name__)


def encrypt_seed(server_seed: str) -> str:
    """Raise SeedsUnavailable if there are no keys."""
    return _fernet(tuple(settings.PLAY_SEED_KEYS)).encrypt(server_seed.encode("ascii")).decode("ascii")


def decrypt_seed(encrypted: str, commitment: str) -> str:
    """Return the seed. Raise SeedsUnavailable unless a key opens it and it is the committed one."""
    try:
        server_seed = _fernet(tuple(settings.PLAY_SEED_KEYS)).decrypt(encrypted.encode("ascii")).decode("ascii")
    except InvalidToken as error:
        logger.error("No key of PLAY_SEED_KEYS opens the seed of commitment %s.", commitment)
        raise SeedsUnavailable from error
    if commitment_of(server_seed) != commitment:
        logger.error("The stored seed does not belong to commitment %s.", commitment)
        raise SeedsUnavailable
    return server_seed


def reencrypt_seed(encrypted: str) -> str:
    """Return the seed encrypted with the first key. Raise SeedsUnavailable if no key opens it."""
    try:
        return _fernet(tuple(settings.PLAY_SEED_KEYS)).rotate(encrypted.encode("ascii")).decode("ascii")
    except InvalidToken as error:
        raise SeedsUnavailable from error


@lru_cache(maxsize=8)
def _fernet(keys: tuple[str, ...]) -> MultiFernet:
    """Raise SeedsUnavailable if a key is missing or malformed; a system check has said so before."""
    try:
        return MultiFernet([Fernet(key) for key in keys])
    except ValueError as error:
        logger.error("PLAY_SEED_KEYS: %s", error)
        raise SeedsUnavailable from error
