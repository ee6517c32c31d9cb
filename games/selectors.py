"""Read games from the table."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db.models import Max, QuerySet
from django.utils import timezone
from rest_framework.exceptions import NotFound

from games import fairness
from games.crash_points import to_number
from games.filters import GamesQuery
from games.models import MAX_GAME_ID, Game
from games.serializers import GameSerializer


def newest_game_id() -> int | None:
    newest: int | None = Game.objects.aggregate(newest=Max("game_id"))["newest"]
    return newest


def game_page(query: GamesQuery) -> dict[str, Any]:
    """Return one page of the list. Raises NotFound past the last page; an empty table has one empty page."""
    page, per_page = query.validated_data["page"], query.validated_data["per_page"]
    games = query.filtered()
    count = games.count()
    pages = max(1, -(-count // per_page))
    if page > pages:
        raise NotFound(f"Page {page} does not exist. The last page is {pages}.")
    with timezone.override(query.zone):
        results = GameSerializer(games[(page - 1) * per_page : page * per_page], many=True).data
    return {
        "count": count,
        "page": page,
        "per_page": per_page,
        "pages": pages,
        "next": query.link(page + 1) if page < pages else None,
        "previous": query.link(page - 1) if page > 1 else None,
        "results": results,
    }


def game(game_id: int) -> Game:
    """Return a game. Raises NotFound."""
    found = Game.objects.filter(game_id=game_id).first() if game_id <= MAX_GAME_ID else None
    if found is None:
        raise NotFound(f"Game {game_id} is not recorded.")
    return found


def games_by_id(ids: Collection[int]) -> dict[int, Game]:
    return Game.objects.in_bulk(list(ids))


@dataclass(frozen=True, slots=True)
class Anomalies:
    """Counts of the games that are not verified or not linked. Mismatches and breaks are listed as well."""

    games: int
    mismatched: int
    unverifiable: int
    broken: int
    not_checkable: int
    mismatched_games: list[int]
    broken_games: list[int]


def find_anomalies(games: QuerySet[Game], listed: int) -> Anomalies:
    """Count the anomalies among the games and list at most `listed` ids of each kind.

    Partial indexes make the anomalies cheap to count as long as they are rare. Counting all games takes 0.1 s per
    million.
    """
    ids = games.order_by("-game_id").values_list("game_id", flat=True)
    return Anomalies(
        games=games.count(),
        mismatched=games.filter(verified=False).count(),
        unverifiable=games.filter(verified=None).count(),
        broken=games.filter(linked=False).count(),
        not_checkable=games.filter(linked=None).count(),
        mismatched_games=list(ids.filter(verified=False)[:listed]),
        broken_games=list(ids.filter(linked=False)[:listed]),
    )


def verification(found: Game) -> dict[str, Any]:
    """Return the steps from the game's hash to its crash point, and the link from the next game's hash to this one."""
    steps = fairness.explain(settings.SITE, found.game_id, found.hash) if found.hash else None
    return {
        "game_id": found.game_id,
        "site": settings.SITE,
        "verified": found.verified,
        "crash_point": to_number(found.crash_hundredths),
        "steps": steps,
        "link": _chain_link(found),
        "reason": None if found.verified is not None else _why_unknown(found),
    }


def _chain_link(found: Game) -> dict[str, Any] | None:
    """Return the link from the next game to this one, or None if the next game or one of the hashes is unknown."""
    following = Game.objects.filter(game_id=found.game_id + 1).first()
    if following is None or following.hash is None or found.hash is None:
        return None
    formula = fairness.formula_for(settings.SITE, following.game_id)
    if formula is None or not fairness.shares_chain_with_previous(settings.SITE, following.game_id):
        return None
    previous = fairness.previous_hash(formula, following.hash)
    return {
        "next_game_id": following.game_id,
        "next_hash": following.hash,
        "next_hash_hashed": previous,
        "unbroken": previous == found.hash,
    }


def _why_unknown(found: Game) -> str:
    if found.hash is None:
        return "The source did not report a hash."
    return "The formula for this game is unknown."
