"""The other loader: the same columns, read from the table."""

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.db.models import F, Max, Min

from analytics.columns import UNKNOWN_TIME, Columns, Coverage, Slice, Stretch, Window
from analytics.compute.last_games import LastGames
from analytics.compute.series import reaches_earlier, reaches_later
from analytics.conditions import Condition
from analytics.live.keys import CHUNK_GAMES
from analytics.loading import columns_of
from games.models import Game
from games.times import from_unix_ms, unix_ms

BLOCK_GAMES = 100_000
WHOLE_TABLES = 2  # read at once by one process
WHOLE_TABLE_WAIT_SECONDS = 0.25
_whole_tables = threading.BoundedSemaphore(WHOLE_TABLES)
FIRST_BLOCK = 1_024  # of games around a window; each next one is twice as large


class TableBusy(Exception):
    """Too many questions about all games at once."""


@contextmanager
def one_moment() -> Iterator[None]:
    """What is read in the block is read of one state of the table; in a transaction, of whatever that sees."""
    if connection.in_atomic_block:
        yield
        return
    with _reading(), transaction.atomic():
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


@contextmanager
def _reading() -> Iterator[None]:
    """On SQLite our transactions begin with the write lock (config/settings/database.py); a reader needs none."""
    if connection.vendor != "sqlite":
        yield
        return
    connection.ensure_connection()  # the mode is known from then on
    database: Any = connection
    mode, database.transaction_mode = database.transaction_mode, "DEFERRED"
    try:
        yield
    finally:
        database.transaction_mode = mode


def slices_of(windows: Sequence[Window]) -> list[Slice]:
    """The games of these windows. Raises django.db.Error."""
    with one_moment():
        return [_slice(window) for window in windows]


def stretch_of(window: Window, conditions: Sequence[Condition]) -> Stretch:
    """A window, and around it every series of these conditions that holds a game of it. Raises django.db.Error."""
    with one_moment():
        found = _slice(window)
        if not len(found.columns):
            return Stretch(found, found.columns, reaches_newest=False)
        first, last = int(found.columns.ids[0]), int(found.columns.ids[-1])
        around = found.columns if not window.of_time else columns_of(Game.objects.filter(game_id__range=(first, last)))
        around = _with_earlier(around, conditions, first)
        around = _with_later(around, conditions, last)
        return Stretch(found, around, reaches_newest=last == newest_id())


def last_met(conditions: Sequence[Condition], limit: int) -> tuple[Coverage, list[LastGames]]:
    """The newest games that met each condition, and what all games are. Raises django.db.Error."""
    with one_moment():
        return _all_games(), [_last_met(condition, limit) for condition in conditions]


def _last_met(condition: Condition, limit: int) -> LastGames:
    met = Game.objects.filter(crash_hundredths__range=(condition.lowest, condition.highest)).order_by("-game_id")
    ids = tuple(met.values_list("game_id", flat=True)[:limit])
    return LastGames(condition, ids, Game.objects.filter(game_id__gt=ids[0]).count() if ids else None)


def _all_games() -> Coverage:
    games = Game.objects.order_by("game_id").values_list("game_id", "end_time")
    first, last = games.first(), games.last()
    if first is None or last is None:
        return Coverage(None, None, UNKNOWN_TIME, UNKNOWN_TIME, 0, 0, complete=True)
    count = games.count()
    missing = last[0] - first[0] + 1 - count
    return Coverage(first[0], last[0], to_ms(first[1]), to_ms(last[1]), count, missing, complete=True)


def _slice(window: Window) -> Slice:
    if window.kind == "all":
        with _whole_table():
            everything = Columns.joined(list(blocks()))
        return Slice(everything, len(everything), reaches_back=True)
    if window.kind == "games":
        newest = columns_of(Game.objects.order_by("-game_id")[window.skip : window.skip + window.count])
        return Slice(newest, len(newest), reaches_back=len(newest) == window.count)
    start = from_unix_ms(window.from_ms)
    inside = columns_of(Game.objects.filter(end_time__gte=start, end_time__lt=from_unix_ms(window.to_ms)))
    earlier = Game.objects.filter(end_time__lte=start).exists()
    return Slice(inside, _recorded_between(inside), earlier)


@contextmanager
def _whole_table() -> Iterator[None]:
    """Reading every game takes memory and the database's time: few at once. Raises TableBusy."""
    if not _whole_tables.acquire(timeout=WHOLE_TABLE_WAIT_SECONDS):
        raise TableBusy
    try:
        yield
    finally:
        _whole_tables.release()


def _with_earlier(around: Columns, conditions: Sequence[Condition], first: int) -> Columns:
    games, count = Game.objects.order_by("-game_id"), FIRST_BLOCK
    while reaches_earlier(around, conditions, first):
        block = columns_of(games.filter(game_id__lt=int(around.ids[0]))[:count])
        if not len(block):
            break
        around, count = Columns.joined([block, around]), 2 * count
    return around


def _with_later(around: Columns, conditions: Sequence[Condition], last: int) -> Columns:
    games, count = Game.objects.order_by("game_id"), FIRST_BLOCK
    while reaches_later(around, conditions, last):
        block = columns_of(games.filter(game_id__gt=int(around.ids[-1]))[:count])
        if not len(block):
            break
        around, count = Columns.joined([around, block]), 2 * count
    return around


def blocks(below: int | None = None) -> Iterator[Columns]:
    """Every game (with an id `below` that) in id order, so many at a time that a writer can extend its lock between."""
    games = Game.objects.order_by("game_id")
    if below is not None:
        games = games.filter(game_id__lt=below)
    last = 0
    while len(block := columns_of(games.filter(game_id__gt=last)[:BLOCK_GAMES])):
        yield block
        last = int(block.ids[-1])


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


def _recorded_between(inside: Columns) -> int:
    if not len(inside):
        return 0
    return Game.objects.filter(game_id__gte=int(inside.ids[0]), game_id__lte=int(inside.ids[-1])).count()
