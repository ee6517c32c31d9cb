"""Compare a recorded crash point with the one that the game's hash gives."""

from dataclasses import dataclass

from games.fairness.crash_point import InfiniteCrashPoint, crash_hundredths
from games.fairness.formulas import Formula, formula_for
from games.fairness.hashes import normalise_hash


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of a verification.

    A value is None if it cannot be determined: the formula, the hash or the crash point is missing, or this project
    cannot compute the era.
    """

    formula: str | None
    calculated_hundredths: int | None
    verified: bool | None


def verify(site: str, game_id: int, hash_: str | None, crash_hundredths: int | None) -> Verdict:
    """Compare a recorded crash point with the one its hash gives.

    Raises MalformedHash, even if no formula is known. Raises ValueError for an unknown site.
    """
    formula = formula_for(site, game_id)
    hash_ = None if hash_ is None else normalise_hash(hash_)
    if formula is None:
        return Verdict(formula=None, calculated_hundredths=None, verified=None)
    calculated = None if hash_ is None else _calculate(formula, hash_)
    comparable = calculated is not None and crash_hundredths is not None
    return Verdict(formula.name, calculated, calculated == crash_hundredths if comparable else None)


def _calculate(formula: Formula, hash_: str) -> int | None:
    try:
        return crash_hundredths(formula, hash_)
    except InfiniteCrashPoint:
        return None  # the site showed some finite number, which its formula does not define
