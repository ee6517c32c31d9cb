"""The other loader: the same columns, read from the table."""

from collections.abc import Callable, Iterable
from datetime import datetime

from django.db.models import F, Max, Min

from analytics.columns import UNKNOWN_TIME, Columns, Slice, Window
from analytics.live.keys import CHUNK_GAMES
from analytics.loading import columns_of
from games.models import Game
from games.times import from_unix_ms, unix_ms

BLOCK_GAMES = 100_000


def slice_of(window: Window) -> Slice:
    """The games of a window. Raises django.db.Error."""
    if window.kind == "all":
        everything = all_columns()
        return Slice(everything, len(everything), reaches_back=True)
    if window.kind == "games":
        newest = columns_of(Game.objects.order_by("-game_id")[: window.count])
        return Slice(newest, len(newest), reaches_back=len(newest) == window.count)
    start = from_unix_ms(window.from_ms)
    inside = columns_of(Game.objects.filter(end_time__gte=start, end_time__lt=from_unix_ms(window.to_ms)))
    earlier = Game.objects.filter(end_time__lte=start).exists()
    return Slice(inside, _recorded_between(inside), earlier)


def all_columns(after_each_block: Callable[[], None] = lambda: None, below: int | None = None) -> Columns:
    """Every game (with an id `below` that), read by id in blocks: a writer extends its lock in between."""
    games = Game.objects.order_by("game_id")
    if below is not None:
        games = games.filter(game_id__lt=below)
    blocks = [Columns.empty()]
    last = 0
    while len(block := columns_of(games.filter(game_id__gt=last)[:BLOCK_GAMES])):
        blocks.append(block)
        last = int(block.ids[-1])
        after_each_block()
    return Columns.joined(blocks)


def rows_of(ids: Iterable[int]) -> Columns:
    return columns_of(Game.objects.filter(game_id__in=list(ids)))


def chunk(number: int) -> Columns:
    """The games of one ledger chunk."""
    start = number * CHUNK_GAMES
    return columns_of(Game.objects.filter(game_id__gte=start, game_id__lt=start + CHUNK_GAMES))


def chunk_numbers() -> set[int]:
    """Every chunk that holds games. Asked of the rows, not made from the range: ids may lie far apart."""
    numbers = Game.objects.order_by().annotate(number=F("game_id") / CHUNK_GAMES)
    return set(numbers.values_list("number", flat=True).distinct())


def newest_chunk_numbers(count: int) -> list[int]:
    """The newest `count` chunks that hold games, ascending."""
    numbers: list[int] = []
    games = Game.objects.order_by("-game_id").values_list("game_id", flat=True)
    while len(numbers) < count and (game_id := games.first()) is not None:
        numbers.append(game_id // CHUNK_GAMES)
        games = games.filter(game_id__lt=numbers[-1] * CHUNK_GAMES)
    return numbers[::-1]


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


def _recorded_between(inside: Columns) -> int:
    if not len(inside):
        return 0
    return Game.objects.filter(game_id__gte=int(inside.ids[0]), game_id__lte=int(inside.ids[-1])).count()
