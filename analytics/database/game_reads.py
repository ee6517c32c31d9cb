"""Reads of the games table for the writers of the live view and for the checks of its state."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from django.db.models import Count, F, Max, Min, QuerySet

from analytics.columns import UNKNOWN_TIME, Columns
from analytics.database.column_loading import load_columns
from analytics.live.keys import CHUNK_GAMES
from games.models import Game
from games.times import unix_ms

BLOCK_GAMES = 100_000


def all_blocks(below: int | None = None) -> Iterator[Columns]:
    """Yield every game (with an id below `below`) in id order, in blocks: between them a writer extends its lock."""
    return load_blocks(Game.objects.all() if below is None else Game.objects.filter(game_id__lt=below))


def load_blocks(games: QuerySet[Game]) -> Iterator[Columns]:
    """Yield games in id order, in blocks. Each block is a statement of its own, so call this in `consistent_reads`."""
    last = 0
    while len(block := load_columns(games.filter(game_id__gt=last).order_by("game_id")[:BLOCK_GAMES])):
        yield block
        last = int(block.ids[-1])


def games_by_id(ids: Iterable[int]) -> Columns:
    return load_columns(Game.objects.filter(game_id__in=list(ids)))


def games_in_chunk(number: int) -> Columns:
    """Return the games whose ids belong to one ledger chunk."""
    start = number * CHUNK_GAMES
    return load_columns(Game.objects.filter(game_id__gte=start, game_id__lt=start + CHUNK_GAMES))


def count() -> int:
    return Game.objects.count()


def games_per_chunk() -> dict[int, int]:
    """Return the number of games by chunk number, for the chunks that have games.

    They are counted from the rows instead of from the range of ids, because ids may lie far apart.
    """
    numbers = Game.objects.order_by().annotate(number=F("game_id") / CHUNK_GAMES).values_list("number")
    return dict(numbers.annotate(games=Count("game_id")))


def newest_chunk_numbers(count: int) -> list[int]:
    """Return the numbers of the newest `count` chunks that have games, in ascending order."""
    numbers: list[int] = []
    games = Game.objects.order_by("-game_id").values_list("game_id", flat=True)
    while len(numbers) < count and (game_id := games.first()) is not None:
        numbers.append(game_id // CHUNK_GAMES)
        games = games.filter(game_id__lt=numbers[-1] * CHUNK_GAMES)
    return numbers[::-1]


def ids_between(low: int, high: int) -> set[int]:
    """Return the ids of the games above `low` and below `high`."""
    return set(Game.objects.filter(game_id__gt=low, game_id__lt=high).values_list("game_id", flat=True))


def newest_id() -> int | None:
    found: int | None = Game.objects.aggregate(newest=Max("game_id"))["newest"]
    return found


def unapplied_since(head: int | None) -> datetime | None:
    """Return when the oldest game that is newer than the view's newest one was recorded; None if there is none."""
    newer = Game.objects.filter(game_id__gt=head or 0)
    since: datetime | None = newer.aggregate(since=Min("created_at"))["since"]
    return since


def to_ms(time: datetime | None) -> int:
    return UNKNOWN_TIME if time is None else unix_ms(time)
