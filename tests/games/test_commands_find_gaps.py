from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from tests.factories.games import GameFactory

pytestmark = pytest.mark.django_db


def run(**options):
    out = StringIO()
    call_command("find_gaps", stdout=out, **options)
    return out.getvalue().splitlines()


def test_missing_ids_are_listed_as_ranges():
    for game_id in (10, 11, 13, 20):
        GameFactory(game_id=game_id)
    assert run() == ["12", "14-19", "Missing games: 7, in gaps: 2."]


def test_no_gap_is_no_gap():
    assert run() == ["Missing games: 0, in gaps: 0."]
    GameFactory(game_id=10)
    assert run() == ["Missing games: 0, in gaps: 0."]


def test_bounds_are_part_of_the_requested_range():
    for game_id in (10, 13, 20):
        GameFactory(game_id=game_id)
    assert run(first=12, last=16) == ["12", "14-16", "Missing games: 4, in gaps: 2."]


def test_a_range_upside_down_is_an_error():
    with pytest.raises(CommandError, match=r"--from must not be above --to, got 10 and 5\."):
        run(first=10, last=5)


@pytest.mark.parametrize("text", ["0", "-5", "1.5", "x", "1_0"])
def test_an_id_is_a_whole_number_of_at_least_1(text):
    with pytest.raises(CommandError, match=f"argument --from: '{text}' is not a whole number of at least 1"):
        call_command("find_gaps", f"--from={text}")
