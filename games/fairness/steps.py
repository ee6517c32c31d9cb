"""Every intermediate value between a hash and its crash point, so that a person can recompute it."""

from dataclasses import dataclass, replace

from games.fairness.chain import previous_hash, shares_chain_with_previous
from games.fairness.crash_point import (
    RANDOM_BITS,
    RANDOM_DIGITS,
    InfiniteCrashPoint,
    hundredths_of,
    quotient,
    random_hex,
    uniform,
)
from games.fairness.formulas import Formula, Randomness, formula_for
from games.fairness.hashes import normalise_hash

UNKNOWN_FORMULA = "No formula is known for this game."
NOT_COMPUTABLE = "The crash point of this era requires a BLS12-381 signature, which is not computed here."
INFINITE = "X rounds to 1, so the site's formula gives no finite crash point."


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """The computation of one game from hash to crash point. It holds text, numbers and None, so it is valid JSON.

    `x` is r / 2**52. `rounded_x` is the value that the site uses instead; it is None in eras that do not round.
    `quotient` is (100 - edge_percent) / (1 - X); its floor, at least 100, is the crash point.
    `note` says why a step is missing.
    """

    site: str
    game_id: int
    hash: str
    formula: str | None = None
    randomness: str | None = None
    salt: str | None = None
    hmac_key: str | None = None
    hmac_message: str | None = None
    hmac_hex: str | None = None
    first_digits: str | None = None
    r: int | None = None
    x: float | None = None
    significant_digits: int | None = None
    rounded_x: float | None = None
    edge_percent: int | None = None
    quotient: float | None = None
    crash_hundredths: int | None = None
    chain_step: str | None = None
    previous_game_id: int | None = None
    previous_hash: str | None = None
    note: str | None = None


def explain(site: str, game_id: int, hash_: str) -> Steps:
    """Return every intermediate value of a game. Raises MalformedHash; raises ValueError for an unknown site."""
    formula = formula_for(site, game_id)
    steps = Steps(site=site, game_id=game_id, hash=normalise_hash(hash_))
    if formula is None:
        return replace(steps, note=UNKNOWN_FORMULA)
    steps = replace(
        steps,
        formula=formula.name,
        randomness=formula.randomness.value,
        salt=formula.salt,
        significant_digits=formula.significant_digits,
        edge_percent=formula.edge_percent,
    )
    return _with_crash_point(_with_chain(steps, formula), formula)


def _with_chain(steps: Steps, formula: Formula) -> Steps:
    if not shares_chain_with_previous(steps.site, steps.game_id):
        return steps
    return replace(
        steps,
        chain_step=formula.chain_step.value,
        previous_game_id=steps.game_id - 1,
        previous_hash=previous_hash(formula, steps.hash),
    )


def _with_crash_point(steps: Steps, formula: Formula) -> Steps:
    if not formula.computable:
        return replace(steps, note=NOT_COMPUTABLE)
    digits = random_hex(formula, steps.hash)
    salted = formula.randomness is Randomness.HMAC
    r = int(digits[:RANDOM_DIGITS], 16)
    x = uniform(formula, r)
    steps = replace(
        steps,
        hmac_key=formula.salt,
        hmac_message=steps.hash if salted else None,
        hmac_hex=digits if salted else None,
        first_digits=digits[:RANDOM_DIGITS],
        r=r,
        x=r / 2**RANDOM_BITS,
        rounded_x=None if formula.significant_digits is None else x,
    )
    try:
        return replace(steps, quotient=quotient(formula, x), crash_hundredths=hundredths_of(formula, r))
    except InfiniteCrashPoint:
        return replace(steps, note=INFINITE)
