"""A genuine chain of BC.Game: one published hash determines 600,000 games that were really played."""

from functools import cache
from itertools import islice
from typing import Final

from games.fairness import chain, crash_hundredths, formula_for

FIRST_GAME: Final = 5_300_000
LAST_GAME: Final = 5_900_000
LAST_HASH: Final = "5afc2cdf0d5645faa91a8d16c752bdb2a3d12627853dc31f05e6f311aee45895"
HASH_BYTES: Final = 32

_FORMULA = formula_for("bcgame", LAST_GAME)


def hash_of(game_id: int) -> str:
    """Return the hash of a game. Raises IndexError outside FIRST_GAME to LAST_GAME."""
    if not FIRST_GAME <= game_id <= LAST_GAME:
        raise IndexError(f"game {game_id} is not replayed")
    start = (game_id - FIRST_GAME) * HASH_BYTES
    return _hashes()[start : start + HASH_BYTES].hex()


def crash_of(game_id: int) -> int:
    """Return the crash point of a game in hundredths. Raises IndexError outside FIRST_GAME to LAST_GAME."""
    assert _FORMULA is not None  # noqa: S101 - the era of block 758,160
    hundredths = crash_hundredths(_FORMULA, hash_of(game_id))
    assert hundredths is not None  # noqa: S101 - the era is computable, and none of its 600,001 crash points is infinite
    return hundredths


@cache
def _hashes() -> bytes:
    """Return all hashes, oldest first: 19 MB, computed in a second.

    A hash can only be computed from the next game's, so an early game requires the whole chain.
    """
    assert _FORMULA is not None  # noqa: S101
    backwards = islice(chain(_FORMULA, LAST_HASH, LAST_GAME), LAST_GAME - FIRST_GAME + 1)
    hashes = bytearray((LAST_GAME - FIRST_GAME + 1) * HASH_BYTES)
    for game_id, hash_ in backwards:
        start = (game_id - FIRST_GAME) * HASH_BYTES
        hashes[start : start + HASH_BYTES] = bytes.fromhex(hash_)
    return bytes(hashes)
