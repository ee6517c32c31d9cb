"""The links of the hash chain: the hash of a game, hashed once, is the hash of the previous game."""

from collections.abc import Iterable, Mapping

from django.conf import settings

from games import fairness
from games.models import Game

Hashes = Mapping[int, str | None]


def is_linked(game_id: int, hash_: str | None, previous: str | None) -> bool | None:
    """Return True if `hash_` leads to the hash of the `previous` game.

    Return None if a hash is unknown or malformed, or if the two games may be on different chains.
    """
    formula = fairness.formula_for(settings.SITE, game_id)
    if (
        hash_ is None
        or previous is None
        or formula is None
        or not fairness.shares_chain_with_previous(settings.SITE, game_id)
    ):
        return None
    try:
        return fairness.previous_hash(formula, hash_) == previous
    except fairness.MalformedHash:
        return None


def hashes_with_neighbours(ids: Iterable[int]) -> dict[int, str | None]:
    """Return the stored hashes of these games and of their neighbours. Games that are not stored are left out."""
    around = {game_id + step for game_id in ids for step in (-1, 0, 1)}
    return dict(Game.objects.filter(game_id__in=around).values_list("game_id", "hash"))


def relink(ids: Iterable[int]) -> list[int]:
    """Recompute `linked` of these games and of the games just after them from the committed rows.

    This is required after the commit, because two transactions that record neighbouring games at the same time do
    not see each other's rows. Return the ids of the games that changed. Raises django.db.Error.
    """
    relinked = []
    changed = set(ids)
    neighbourhood = changed | {game_id + step for game_id in changed for step in (-1, 1)}
    rows = Game.objects.filter(game_id__in=neighbourhood).values_list("game_id", "hash", "linked")
    stored = {game_id: (hash_, linked) for game_id, hash_, linked in rows}
    for game_id in stored.keys() & (changed | {game_id + 1 for game_id in changed}):
        hash_, linked = stored[game_id]
        previous = stored.get(game_id - 1, (None, None))[0]
        if (computed := is_linked(game_id, hash_, previous)) != linked:
            Game.objects.filter(game_id=game_id, hash=hash_).update(linked=computed)
            relinked.append(game_id)
    return relinked


def relink_following(ids: Iterable[int], hashes: Hashes) -> None:
    """Recompute `linked` of the stored games just after these, except those that are among them."""
    changed = set(ids)
    ids_by_value: dict[bool | None, list[int]] = {}
    for game_id in {game_id + 1 for game_id in changed} - changed:
        if game_id in hashes:
            ids_by_value.setdefault(is_linked(game_id, hashes[game_id], hashes.get(game_id - 1)), []).append(game_id)
    for linked, following in ids_by_value.items():
        Game.objects.filter(game_id__in=following).exclude(linked=linked).update(linked=linked)
