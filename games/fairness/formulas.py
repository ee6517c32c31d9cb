"""The formulas of each site and era as data: a new era is a new row, never a new function."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

BCGAME: Final = "bcgame"
BUSTABIT: Final = "bustabit"
SITES: Final = (BCGAME, BUSTABIT)


class ChainStep(StrEnum):
    """How the hash of the previous game is computed. The value describes it for readers of the API."""

    HEX_TEXT = "SHA-256 of the hash written as 64 lower-case hexadecimal characters"
    RAW_BYTES = "SHA-256 of the hash's 32 raw bytes"


class Randomness(StrEnum):
    """The source of the 52 random bits. The value describes it for readers of the API."""

    HASH = "the game's hash itself"
    HMAC = "HMAC-SHA256, key: the salt as text, message: the hash's 32 raw bytes"
    BLS = "HMAC-SHA256, key: a BLS12-381 signature, message: the hash's 32 raw bytes"


@dataclass(frozen=True, slots=True)
class Formula:
    """The rule of one site for a range of game ids, called an era.

    `name` is stored with each game, so it never changes. `chain` names the hash chain of the era; the last game of
    one era and the first of the next are linked if both eras share a chain. `salt` is set for HMAC only.
    `last_game` is None while the era is still open.
    """

    name: str
    site: str
    first_game: int
    last_game: int | None
    chain: str
    chain_step: ChainStep
    randomness: Randomness
    salt: str | None = None
    significant_digits: int | None = None
    edge_percent: int = 1

    @property
    def computable(self) -> bool:
        """True if this project can compute the crash point from the hash.

        BLS would require a pairing library, for one closed era only.
        """
        return self.randomness is not Randomness.BLS

    def covers(self, game_id: int) -> bool:
        return self.first_game <= game_id and (self.last_game is None or game_id <= self.last_game)


# BC.Game. Salts and first and last games of the eras come from bitcointalk 5256606 and 5416694 and from the site's
# verifier (bcgame-project/verify, crash.html). Its text now pairs "after # 5282960" with the newest salt, and so
# prints wrong numbers for 5,282,961-5,929,890. The two oldest eras are as published; no recorded game was available
# to check them. It is not known of any two eras that they share a chain, so each era has a chain of its own.
# Between 5,929,890 (the last game known to use block 758,160) and 7,100,870 (the first public hash of the newest
# chain) the salt changed at an unknown id: those games have no formula and stay unverified.
# Bustabit: bustabit/verifier at f45fc0c. Vx and the current era share one chain, which ends in a published
# hash at 10,000,000; the v2 chain does not contain that hash.
FORMULAS: Final[tuple[Formula, ...]] = (
    Formula(
        name="bcgame-unsalted",
        site=BCGAME,
        first_game=1,
        last_game=2_561_902,
        chain="bcgame-unsalted",
        chain_step=ChainStep.HEX_TEXT,
        randomness=Randomness.HASH,
        significant_digits=9,
    ),
    Formula(
        name="bcgame-635380",
        site=BCGAME,
        first_game=2_561_903,
        last_game=5_282_960,
        chain="bcgame-635380",
        chain_step=ChainStep.HEX_TEXT,
        randomness=Randomness.HMAC,
        salt="0000000000000000000e3a66df611d6935b30632f352e4934c21059696117f28",
        significant_digits=9,
    ),
    Formula(
        name="bcgame-758160",
        site=BCGAME,
        first_game=5_282_961,
        last_game=5_929_890,
        chain="bcgame-758160",
        chain_step=ChainStep.HEX_TEXT,
        randomness=Randomness.HMAC,
        salt="000000000000000000030587dd9ded1fcc5d603652da58deb670319bd2e09445",
        significant_digits=9,
    ),
    Formula(
        name="bcgame-0301e280",  # named by its salt: the block is not published
        site=BCGAME,
        first_game=7_100_870,
        last_game=None,
        chain="bcgame-0301e280",
        chain_step=ChainStep.HEX_TEXT,
        randomness=Randomness.HMAC,
        salt="0000000000000000000301e2801a9a9598bfb114e574a91a887f2132f33047e6",
        significant_digits=9,
    ),
    Formula(
        name="bustabit-v2",
        site=BUSTABIT,
        first_game=1,
        last_game=10_000_000,
        chain="bustabit-v2",
        chain_step=ChainStep.HEX_TEXT,
        randomness=Randomness.HMAC,
        salt="0000000000000000004d6ec16dafe9d8370958664c1dc422f452892264c59526",
    ),
    Formula(
        name="bustabit-vx",
        site=BUSTABIT,
        first_game=10_000_001,
        last_game=12_279_450,
        chain="bustabit-10000000",
        chain_step=ChainStep.RAW_BYTES,
        randomness=Randomness.BLS,
    ),
    Formula(
        name="bustabit-2024",
        site=BUSTABIT,
        first_game=12_279_451,
        last_game=None,
        chain="bustabit-10000000",
        chain_step=ChainStep.RAW_BYTES,
        randomness=Randomness.HMAC,
        salt="00000000000000000001e08b7fd44f95e3e950ac65650a8031a6d5e1750e34be",
    ),
)


def formula_for(site: str, game_id: int) -> Formula | None:
    """Return the formula of a game, or None if it is unknown. Raises ValueError for an unknown site."""
    require_site(site)
    return next((row for row in FORMULAS if row.site == site and row.covers(game_id)), None)


def require_site(site: str) -> None:
    """Raise ValueError for an unknown site."""
    if site not in SITES:
        raise ValueError(f"unknown site {site!r}, expected one of: {', '.join(SITES)}")
