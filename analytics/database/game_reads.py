"""Games of the table by their ids, and what is asked of it beside: the writers' reads."""

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
    """Every game (with an id `below` that) in id order, so many at a time that a writer can extend its lock between."""
    return load_blocks(Game.objects.all() if below is None else Game.objects.filter(game_id__lt=below))


def load_blocks(games: QuerySet[Game]) -> Iterator[Columns]:
    """Games in id order. A block is a statement: let them be of `one_moment`."""
    last = 0
    while len(block := load_columns(games.filter(game_id__gt=last).order_by("game_id")[:BLOCK_GAMES])):
        yield block
        last = int(block.ids[-1])


def games_by_id(ids: Iterable[int]) -> Columns:
    return load_columns(Game.objects.filter(game_id__in=list(ids)))


def games_in_chunk(number: int) -> Columns:
    """The games of one ledger chunk."""
    start = number * CHUNK_GAMES
    return load_columns(Game.objects.filter(game_id__gte=start, game_id__lt=start + CHUNK_GAMES))


def count() -> int:
    return Game.objects.count()


def games_per_chunk() -> dict[int, int]:
    """Of every chunk that holds games. Asked of the rows, not made from the range: ids may lie far apart."""
    numbers = Game.objects.order_by().annotate(number=F("game_id") / CHUNK_GAMES).values_list("number")
    return dict(numbers.annotate(games=Count("game_id")))


def newest_chunk_numbers(count: int) -> list[int]:
    """The newest `count` chunks that hold games, ascending."""
    numbers: list[int] = []
    games = Game.objects.order_by("-game_id").values_list("game_id", flat=True)
    while len(numbers) < count and (game_id := games.first()) is not None:
        numbers.append(game_id // CHUNK_GAMES)
        games = games.filter(game_id__lt=numbers[-1] * CHUNK_GAMES)
    return numbers[::-1]


def ids_between(low: int, high: int) -> set[int]:
    """Games above `low` and below `high`."""
    return set(Game.objects.filter(game_id__gt=low, game_id__lt=high).values_list("game_id", flat=True))


def newest_id() -> int | None:
    found: int | None = Game.objects.aggregate(newest=Max("game_id"))["newest"]
    return found


def unapplied_since(head: int | None) -> datetime | None:
    """When the oldest game beyond the view's head was recorded."""
    beyond = Game.objects.filter(game_id__gt=head or 0)
    since: datetime | None = beyond.aggregate(since=Min("created_at"))["since"]
    return since


def to_ms(time: datetime | None) -> int:
    return UNKNOWN_TIME if time is None else unix_ms(time)
