"""Change the view directly, without the table: the stream reads from Redis alone."""

import numpy as np

from analytics import view_settings
from analytics.columns import Columns
from analytics.live import rebuild
from analytics.live.apply_games import apply
from analytics.live.keys import EPOCH
from analytics.live.writer_lock import writer_lock
from cachecore.redis_client import connections

END_MS = 1_780_745_451_691
GAMES = {game_id: (100 + game_id, END_MS) for game_id in range(1, 31)}
END = "2026-06-06T11:30:51.691Z"


def columns(games: dict[int, tuple[int, int]]) -> Columns:
    rows = sorted((game_id, *values) for game_id, values in games.items())
    return Columns(*np.array(rows, dtype=np.int64).reshape(-1, 3).T)


def build(games: dict[int, tuple[int, int]]) -> int:
    """Build a new view of these games (id -> hundredths, end ms). Return its version."""
    with writer_lock(wait_seconds=5) as writer:
        return rebuild.rebuild(
            writer, columns(games), view_settings.conditions(), oldest_retained_id=0, oldest_bucket=0
        )


def change(games: dict[int, tuple[int, int] | None]) -> int:
    """Apply one batch; None removes a game. Return the new version."""
    rows = {game_id: values for game_id, values in games.items() if values is not None}
    with writer_lock(wait_seconds=5) as writer:
        return apply(writer, dict.fromkeys(games, 1), columns(rows), view_settings.conditions()).version


def epoch() -> str:
    with connections.guarded_client("state") as client:
        return client.get(EPOCH.key()).decode()
