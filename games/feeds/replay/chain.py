"""A genuine chain of BC.Game: from one published hash follow 600,000 games that were really played."""

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
    """Raises IndexError outside FIRST_GAME to LAST_GAME."""
    if not FIRST_GAME <= game_id <= LAST_GAME:
        raise IndexError(f"game {game_id} is not replayed")
    start = (game_id - FIRST_GAME) * HASH_BYTES
    return _hashes()[start : start + HASH_BYTES].hex()


def crash_of(game_id: int) -> int:
    """The crash point in hundredths. Raises IndexError like `hash_of`."""
    assert _FORMULA is not None  # noqa: S101 - the era of block 758,160
    hundredths = crash_hundredths(_FORMULA, hash_of(game_id))
    assert hundredths is not None  # noqa: S101 - that era is computable, and none of the 600,001 is infinite
    return hundredths


@cache
def _hashes() -> bytes:
    """All hashes, oldest first: 19 MB, made in a second. The chain only runs backwards, so there is no shorter way."""
    assert _FORMULA is not None  # noqa: S101
    backwards = islice(chain(_FORMULA, LAST_HASH, LAST_GAME), LAST_GAME - FIRST_GAME + 1)
    made = bytearray((LAST_GAME - FIRST_GAME + 1) * HASH_BYTES)
    for game_id, hash_ in backwards:
        start = (game_id - FIRST_GAME) * HASH_BYTES
        made[start : start + HASH_BYTES] = bytes.fromhex(hash_)
    return bytes(made)
