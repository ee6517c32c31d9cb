"""The hash chain: each hash is made from the next game's, so a played hash fixes all games before it."""

from collections.abc import Iterator
from hashlib import sha256

from games.fairness.formulas import ChainStep, Formula, formula_for
from games.fairness.hashes import normalise_hash


def previous_hash(formula: Formula, hash_: str) -> str:
    """Return the hash one game earlier. `formula` belongs to the later game, whose hash is given.

    The result is the hash of a game only if `shares_chain_with_previous` is true. Raises MalformedHash.
    """
    return _step(formula.chain_step, normalise_hash(hash_))


def shares_chain_with_previous(site: str, game_id: int) -> bool:
    """Return True if `game_id` and the game before it are known to be on the same chain.

    Raises ValueError for an unknown site.
    """
    later, earlier = formula_for(site, game_id), formula_for(site, game_id - 1)
    return later is not None and earlier is not None and later.chain == earlier.chain


def chain(formula: Formula, hash_: str, game_id: int) -> Iterator[tuple[int, str]]:
    """Yield (game id, hash) from `game_id` backwards to the first game of its chain, over eras that share it.

    Raises MalformedHash, and ValueError if `formula` does not cover `game_id`. Both are raised by the call
    itself, not while iterating.
    """
    if not formula.covers(game_id):
        raise ValueError(f"{formula.name} does not cover game {game_id}")
    return _walk(formula, normalise_hash(hash_), game_id)


def _walk(formula: Formula, hash_: str, game_id: int) -> Iterator[tuple[int, str]]:
    era: Formula | None = formula
    while era is not None and era.chain == formula.chain:
        while game_id >= era.first_game:
            yield game_id, hash_
            hash_ = _step(era.chain_step, hash_)
            game_id -= 1
        era = formula_for(formula.site, game_id)


def _step(step: ChainStep, hash_: str) -> str:
    message = hash_.encode() if step is ChainStep.HEX_TEXT else bytes.fromhex(hash_)
    return sha256(message).hexdigest()
