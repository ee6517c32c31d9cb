from io import StringIO

import pytest
from django.core.management import call_command

from tests.factories.games import GameFactory

pytestmark = pytest.mark.django_db


def run(**options):
    out = StringIO()
    call_command("find_gaps", stdout=out, **options)
    return out.getvalue().splitlines()


def test_missing_ids_are_listed_as_ranges():
    for game_id in (10, 11, 13, 20):
        GameFactory(game_id=game_id)
    assert run() == ["12", "14-19", "7 games are missing in 2 gaps."]


def test_no_gap_is_no_gap():
    assert run() == ["0 games are missing in 0 gaps."]
    GameFactory(game_id=10)
    assert run() == ["0 games are missing in 0 gaps."]


def test_bounds_are_in_the_range_asked_about():
    for game_id in (10, 13, 20):
        GameFactory(game_id=game_id)
    assert run(first=12, last=16) == ["12", "14-16", "4 games are missing in 2 gaps."]
