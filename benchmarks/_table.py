"""Fill the table by COPY with games as the law would have them: a million in a few seconds, waking nobody."""

from collections.abc import Iterator
from datetime import timedelta
from io import StringIO

import numpy as np
from django.db import connection

from analytics.columns import Columns
from games.times import from_unix_ms

FIRST_GAME = 5_000_000
SPACING_MS = 20_000
FLIGHT = timedelta(seconds=8)
BLOCK_GAMES = 100_000
COPIED = (
    *("game_id", "hash", "crash_hundredths", "calculated_hundredths", "verified", "linked", "formula"),
    *("begin_time", "end_time", "source", "created_at", "updated_at"),
)


def generated(games: int, newest_ms: int, *, first: int = FIRST_GAME, seed: int = 1) -> Columns:
    """P(X >= x) = 0.99 / x, every 20 s, the newest at `newest_ms`."""
    chances = 1 - np.random.default_rng(seed).random(games)  # in (0, 1]
    ids = np.arange(first, first + games, dtype=np.int64)
    crash = np.maximum(100, 99 / chances).astype(np.int64)
    return Columns(ids, crash, newest_ms - SPACING_MS * np.arange(games - 1, -1, -1, dtype=np.int64))


def empty() -> None:
    """Autovacuum would begin while the rows come in, and leave the map that index-only scans need half made."""
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE games_game")
        cursor.execute("ALTER TABLE games_game SET (autovacuum_enabled = false)")


def copy(games: Columns) -> None:
    """Rows as wide as real ones: a hash that fits nothing, marked verified and linked."""
    for start in range(0, len(games), BLOCK_GAMES):
        block = slice(start, start + BLOCK_GAMES)
        _copy(Columns(games.ids[block], games.crash[block], games.end_ms[block]))


def settle() -> None:
    """What autovacuum does a minute after a bulk load: statistics, and the map that index-only scans need."""
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE games_game")


def _copy(games: Columns) -> None:
    with connection.cursor() as cursor:
        cursor.copy_expert(f"COPY games_game ({', '.join(COPIED)}) FROM STDIN", StringIO("".join(_lines(games))))


def _lines(games: Columns) -> Iterator[str]:
    for game_id, crash, end_ms in zip(games.ids.tolist(), games.crash.tolist(), games.end_ms.tolist(), strict=True):
        end = from_unix_ms(end_ms)
        yield (
            f"{game_id}\t{game_id:064x}\t{crash}\t{crash}\tt\tt\tbenchmark\t"
            f"{end - FLIGHT}\t{end}\tbenchmark\t{end}\t{end}\n"
        )
