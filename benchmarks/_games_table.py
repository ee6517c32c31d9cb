"""Fill the games table with generated games by COPY: a million in a few seconds, and without signals."""

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


def generate_games(games: int, newest_ms: int, *, first: int = FIRST_GAME, seed: int = 1) -> Columns:
    """Return games with P(X >= x) = 0.99 / x, one every 20 s, the newest of which ends at `newest_ms`."""
    chances = 1 - np.random.default_rng(seed).random(games)  # in (0, 1]
    ids = np.arange(first, first + games, dtype=np.int64)
    crash = np.maximum(100, 99 / chances).astype(np.int64)
    return Columns(ids, crash, newest_ms - SPACING_MS * np.arange(games - 1, -1, -1, dtype=np.int64))


def truncate() -> None:
    """Empty the table and switch off its autovacuum.

    Autovacuum could run during the COPY, and leave the visibility map for index-only scans incomplete.
    """
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE games_game")
        cursor.execute("ALTER TABLE games_game SET (autovacuum_enabled = false)")


def copy_games(games: Columns) -> None:
    """Copy games into the table, in rows as wide as real ones: with an arbitrary hash, marked verified and linked."""
    for start in range(0, len(games), BLOCK_GAMES):
        block = slice(start, start + BLOCK_GAMES)
        _copy(Columns(games.ids[block], games.crash[block], games.end_ms[block]))


def vacuum() -> None:
    """Update statistics and visibility map, as autovacuum does a minute after a bulk load."""
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
