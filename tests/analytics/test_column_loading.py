"""Loading rows as columns is exact on both databases."""

from datetime import UTC, datetime

import pytest

from analytics.database.column_loading import load_columns, read_columns, read_integers
from games.fairness import MAX_CRASH_HUNDREDTHS
from games.models import MAX_GAME_ID, Game

pytestmark = pytest.mark.django_db

SELECT = "SELECT game_id, crash_hundredths, end_time FROM games_game"
COUNT = "(SELECT count(*) FROM games_game WHERE game_id BETWEEN found.first_id AND found.last_id)"
ROWS = {
    1: (100, None),
    2: (99_999, datetime(2025, 3, 30, 2, 17, 33, 123_999, tzinfo=UTC)),
    3: (101, datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)),
    10_000_000: (200, datetime(2025, 3, 30, 2, 17, 33, tzinfo=UTC)),
    MAX_GAME_ID: (MAX_CRASH_HUNDREDTHS, datetime(2099, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC)),
}
COLUMNS = (
    [1, 2, 3, 10_000_000, 9_007_199_254_740_991],
    [100, 99_999, 101, 200, 281_474_976_710_655],
    [0, 1_743_301_053_123, 0, 1_743_301_053_000, 4_102_444_799_999],
)


@pytest.fixture
def rows() -> None:
    for game_id, (crash, end_time) in ROWS.items():
        Game(game_id=game_id, crash_hundredths=crash, end_time=end_time, source="test").save()


def as_lists(columns) -> tuple[list[int], list[int], list[int]]:
    return columns.ids.tolist(), columns.crash.tolist(), columns.end_ms.tolist()


@pytest.mark.parametrize("order", ["game_id", "-game_id", "crash_hundredths", "?"])
def test_columns_are_exact_and_ascend_by_id_whatever_the_order(rows, order):
    assert as_lists(load_columns(Game.objects.order_by(order))) == COLUMNS


def test_a_slice_of_the_newest_keeps_the_newest(rows):
    assert as_lists(load_columns(Game.objects.order_by("-game_id")[1:3])) == tuple(column[2:4] for column in COLUMNS)


def test_other_numbers_refer_to_the_games_that_were_found(rows):
    others = (COUNT, "found.last_id", "found.first_id > %s", "found.first_id < %s")
    columns, numbers = read_columns(SELECT + " WHERE game_id IN (%s, %s)", *others, parameters=(2, 10_000_000, 1, 2))
    assert (columns.ids.tolist(), numbers) == ([2, 10_000_000], [3, 10_000_000, 1, 0])


def test_without_games_the_columns_are_empty_and_the_numbers_zero(rows):
    columns, numbers = read_columns(
        SELECT + " WHERE game_id > %s AND game_id < %s", COUNT, "found.first_id", parameters=(3, 4)
    )
    assert (as_lists(columns), numbers) == (([], [], []), [0, 0])


def test_integers_are_read_by_column(rows):
    found = read_integers("SELECT game_id, crash_hundredths FROM games_game", ("game_id", "crash_hundredths"))
    assert sorted(found.tolist()) == [list(pair) for pair in zip(*COLUMNS[:2], strict=True)]


def test_without_rows_no_integers_are_read():
    assert read_integers("SELECT game_id FROM games_game", ("game_id",)).shape == (0, 1)
