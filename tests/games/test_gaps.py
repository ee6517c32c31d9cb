import pytest

from games.gaps import find_gaps
from games.models import Game

pytestmark = pytest.mark.django_db


def gaps(*ids: int, first: int | None = None, last: int | None = None) -> list[tuple[int, int]]:
    Game.objects.bulk_create(Game(game_id=game_id, crash_hundredths=200, source="test") for game_id in ids)
    return list(find_gaps(first, last))


def test_missing_ids_are_found_as_runs_in_order():
    assert gaps(10, 11, 13, 20, 21) == [(12, 12), (14, 19)]


def test_without_bounds_the_oldest_and_the_newest_game_are_the_ends():
    assert gaps(10, 11, 12) == []


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        (8, None, [(8, 9), (11, 14)]),
        (None, 22, [(11, 14), (16, 19), (21, 22)]),
        (12, 17, [(12, 14), (16, 17)]),
        (16, 18, [(16, 18)]),
        (15, 15, []),
        (18, 16, []),
        (30, None, []),
    ],
)
def test_bounds_are_ends_too(first, last, expected):
    found = gaps(10, 15, 20, first=first, last=last)
    assert found == (expected if last is not None or first == 30 else [*expected, (16, 19)])


def test_an_empty_table_lacks_the_requested_range():
    assert gaps() == []
    assert gaps(first=3) == []
    assert gaps(first=3, last=5) == [(3, 5)]
