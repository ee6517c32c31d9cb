import pytest
from django.db import transaction

from cachecore import versions
from cachecore.redis_client import connections
from games.keys import GAMES
from games.models import Game
from games.rounds import Round
from games.services import record_games
from games.signals import games_changed

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def received():
    """The ids of every signal, in order."""
    announcements: list[tuple[int, ...]] = []

    def listen(ids, **kwargs):
        announcements.append(ids)

    games_changed.connect(listen)
    yield announcements
    games_changed.disconnect(listen)


def rounds(*ids: int) -> list[Round]:
    return [Round(game_id=game_id, crash_hundredths=200) for game_id in ids]


def test_a_call_announces_its_games_once_and_raises_the_version(received):
    record_games(rounds(3, 1, 2), source="test")
    assert received == [(1, 2, 3)]
    assert versions.current(GAMES) is not None


def test_a_repeat_announces_nothing_and_raises_no_version(received):
    record_games(rounds(1), source="test")
    version = versions.current(GAMES)
    record_games(rounds(1), source="test")
    assert received == [(1,)]
    assert versions.current(GAMES) == version


def test_a_rolled_back_transaction_announces_nothing(received):
    with transaction.atomic():
        record_games(rounds(1), source="test")
        transaction.set_rollback(True)
    assert received == []


def test_games_saved_beside_a_rolled_back_savepoint_are_announced(received):
    with transaction.atomic():
        with transaction.atomic():
            record_games(rounds(1), source="test")
            transaction.set_rollback(True)
        record_games(rounds(2), source="test")
    assert received == [(2,)]


def test_deleting_many_rows_in_one_transaction_announces_once(received):
    record_games(rounds(*range(1, 51)), source="test")
    received.clear()
    with transaction.atomic():
        Game.objects.all().delete()
    assert received == [tuple(range(1, 51))]


def test_a_single_save_is_announced(received):
    Game.objects.create(game_id=9, crash_hundredths=150, source="test")
    assert received == [(9,)]


def test_receivers_are_called_even_if_the_version_cannot_be_raised(received):
    with connections.guarded_client("state") as client:
        client.lpush(GAMES.key, "not a version")  # any fault of Redis that is not its absence
    record_games(rounds(1), source="test")
    assert received == [(1,)]
    assert Game.objects.filter(game_id=1).exists()


def test_a_failing_receiver_affects_neither_the_save_nor_the_others(received):
    def fail(**kwargs):
        raise RuntimeError

    games_changed.connect(fail)
    try:
        record_games(rounds(1), source="test")
    finally:
        games_changed.disconnect(fail)
    assert Game.objects.filter(game_id=1).exists()
    assert received == [(1,)]
