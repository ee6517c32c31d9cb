"""`linked` is right after every write: it says if a stored hash leads to the previous game's."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, transaction

from games.models import Game
from games.rounds import Round
from games.services import record_games
from games.signals import games_changed
from tests.chains import BCGAME_LAST, bcgame_rounds

pytestmark = pytest.mark.django_db


@pytest.fixture
def rounds() -> list[Round]:
    """Four genuine games in ascending order."""
    return sorted(bcgame_rounds(4), key=lambda round_: round_.game_id)


def links() -> list[bool | None]:
    return list(Game.objects.order_by("game_id").values_list("linked", flat=True))


def test_a_genuine_chain_is_linked_but_for_its_first_game(rounds):
    record_games(rounds, source="test")
    assert links() == [None, True, True, True]


@pytest.mark.parametrize("order", [[3, 2, 1, 0], [1, 3, 0, 2]])
def test_links_do_not_depend_on_the_order_of_recording(rounds, order):
    for index in order:
        record_games([rounds[index]], source="test")
    assert links() == [None, True, True, True]


def test_a_foreign_hash_breaks_both_its_links(rounds):
    stranger = Round(game_id=rounds[1].game_id, hash="ab" * 32, crash_hundredths=200)
    record_games([rounds[0], stranger, *rounds[2:]], source="test")
    assert links() == [None, False, False, True]
    record_games([rounds[1]], source="test")
    assert links() == [None, True, True, True]


def test_a_deleted_game_leaves_the_next_one_unlinked(rounds, django_capture_on_commit_callbacks):
    record_games(rounds, source="test")
    with django_capture_on_commit_callbacks(execute=True):
        Game.objects.get(game_id=BCGAME_LAST - 2).delete()
    assert links() == [None, None, True]


@pytest.mark.django_db(transaction=True)
def test_games_relinked_after_the_commit_are_announced_too(rounds):
    """A receiver may have read the rows after the signal of the commit itself."""
    record_games(rounds, source="test")
    received = []

    def receive(ids, **kwargs):
        received.append((ids, links()))

    games_changed.connect(receive)
    try:
        Game.objects.get(game_id=BCGAME_LAST - 2).delete()
    finally:
        games_changed.disconnect(receive)
    assert received[-1] == ((BCGAME_LAST - 1,), [None, None, True])


def test_a_game_without_a_hash_is_linked_to_nothing(rounds):
    record_games([rounds[0], Round(game_id=rounds[1].game_id, crash_hundredths=200), rounds[2]], source="test")
    assert links() == [None, None, None]


@pytest.mark.django_db(transaction=True)
def test_neighbours_recorded_at_the_same_time_are_linked(rounds):
    """On PostgreSQL each transaction reads before the other commits. SQLite allows only one writer at a time."""
    both_read = threading.Barrier(2 if connection.vendor == "postgresql" else 1, timeout=10)

    def record(round_: Round) -> None:
        try:
            with transaction.atomic():
                record_games([round_], source="test")
                both_read.wait()
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(record, rounds[1:3]))
    assert links() == [None, True]
