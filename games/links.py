"""The chain between neighbours: each game's hash, hashed once, is the hash of the game before."""

from collections.abc import Iterable, Mapping

from django.conf import settings

from games import fairness
from games.models import Game

Hashes = Mapping[int, str | None]


def linked(game_id: int, hash_: str | None, previous: str | None) -> bool | None:
    """Whether `hash_` leads to the `previous` game's; None where a hash is unknown or malformed, or they are not known
    to be on one chain."""
    formula = fairness.formula_for(settings.SITE, game_id)
    if hash_ is None or previous is None or formula is None or not fairness.links(settings.SITE, game_id):
        return None
    try:
        return fairness.previous_hash(formula, hash_) == previous
    except fairness.MalformedHash:
        return None


def hashes_around(ids: Iterable[int]) -> dict[int, str | None]:
    """The stored hashes of these games and of their neighbours; a game that is not there is not in it."""
    around = {game_id + step for game_id in ids for step in (-1, 0, 1)}
    return dict(Game.objects.filter(game_id__in=around).values_list("game_id", "hash"))


def relink(ids: Iterable[int]) -> list[int]:
    """Derive `linked` anew for these games and those just after, from what is committed: two transactions that record
    neighbours at once do not see one another. Returns the games that changed. Raises django.db.Error."""
    relinked = []
    changed = set(ids)
    looked_at = changed | {game_id + step for game_id in changed for step in (-1, 1)}
    stored = {
        game_id: (hash_, verdict)
        for game_id, hash_, verdict in Game.objects.filter(game_id__in=looked_at).values_list(
            "game_id", "hash", "linked"
        )
    }
    for game_id in stored.keys() & (changed | {game_id + 1 for game_id in changed}):
        hash_, verdict = stored[game_id]
        previous = stored.get(game_id - 1, (None, None))[0]
        if (right := linked(game_id, hash_, previous)) != verdict:
            Game.objects.filter(game_id=game_id, hash=hash_).update(linked=right)
            relinked.append(game_id)
    return relinked


def relink_following(ids: Iterable[int], hashes: Hashes) -> None:
    """Derive `linked` anew for the games just after these, where those are stored and are not among them."""
    changed = set(ids)
    verdicts: dict[bool | None, list[int]] = {}
    for game_id in {game_id + 1 for game_id in changed} - changed:
        if game_id in hashes:
            verdicts.setdefault(linked(game_id, hashes[game_id], hashes.get(game_id - 1)), []).append(game_id)
    for verdict, found in verdicts.items():
        Game.objects.filter(game_id__in=found).exclude(linked=verdict).update(linked=verdict)
