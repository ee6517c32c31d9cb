"""Games in the table as the view's tests need them: written past the service, so that nothing is announced."""

from datetime import UTC, datetime, timedelta

from games.models import Game

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def put(game_id: int, crash: int = 200, end_ms: int = 0) -> None:
    """Insert or overwrite one game."""
    end_time = EPOCH + timedelta(milliseconds=end_ms) if end_ms else None
    values = {"crash_hundredths": crash, "end_time": end_time, "source": "test"}
    if not Game.objects.filter(game_id=game_id).update(**values):
        Game.objects.bulk_create([Game(game_id=game_id, **values)])


def put_all(games: dict[int, tuple[int, int]]) -> None:
    for game_id, (crash, end_ms) in games.items():
        put(game_id, crash, end_ms)


def remove(game_id: int) -> None:
    Game.objects.filter(game_id=game_id)._raw_delete("default")
