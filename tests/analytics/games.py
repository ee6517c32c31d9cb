"""Write games to the table for tests of the view, without the service and therefore without any signal."""

from datetime import UTC, datetime, timedelta

from games.models import Game

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def put_all(games: dict[int, tuple[int, int]]) -> None:
    """Insert or overwrite games: id -> (hundredths, end ms or 0)."""
    Game.objects.bulk_create(
        [
            Game(
                game_id=game_id,
                crash_hundredths=crash,
                end_time=EPOCH + timedelta(milliseconds=end_ms) if end_ms else None,
                source="test",
            )
            for game_id, (crash, end_ms) in games.items()
        ],
        update_conflicts=True,
        unique_fields=["game_id"],
        update_fields=["crash_hundredths", "end_time"],
    )


def put(game_id: int, crash: int = 200, end_ms: int = 0) -> None:
    put_all({game_id: (crash, end_ms)})


def remove(*ids: int) -> None:
    Game.objects.filter(game_id__in=ids)._raw_delete("default")
