"""The helpers that create fixtures, compared with published rounds."""

from datetime import UTC, datetime, timedelta

import pytest

from games.models import Game
from games.rounds import Round, find_errors
from tests.chains import bcgame_rounds, bustabit_rounds, timed
from tests.factories.games import GameFactory


def test_the_chain_of_bcgame_leads_to_a_recorded_game():
    before, round_ = bcgame_rounds(2, last=5_882_139)
    assert round_ == Round(
        game_id=5_882_139,
        crash_hundredths=12_715_129,
        hash="ee26c15d260a40f3c17c2af08fb39b20b4839277d3deaf719a6646deea9799cd",
    )
    assert before.game_id == 5_882_138


def test_the_newest_round_of_bustabit_is_the_published_one():
    assert [(r.game_id, r.crash_hundredths) for r in bustabit_rounds(3)][2] == (1_398_009, 10_571_005)
    assert bustabit_rounds(0) == []


def test_rounds_out_of_reach_are_an_error():
    with pytest.raises(ValueError, match="5900001 is not within 100000 games before 5900000"):
        bcgame_rounds(1, last=5_900_001)


def test_timed_rounds_are_valid_and_end_at_the_given_time():
    noon = datetime(2023, 1, 5, 12, tzinfo=UTC)
    rounds = timed(bcgame_rounds(3), noon)
    assert [r.end_time for r in rounds] == [noon - timedelta(seconds=s) for s in (40, 20, 0)]
    assert [find_errors(r, datetime.now(UTC)) for r in rounds] == [{}, {}, {}]


@pytest.mark.django_db
def test_the_factory_makes_genuine_games_with_verdicts():
    game = GameFactory(game_id=5_900_000)
    assert Game.objects.get().hash == bcgame_rounds(1)[0].hash
    assert (game.verified, game.formula) == (True, "bcgame-758160")
    assert GameFactory(game_id=5_899_999, crash_hundredths=99_99).verified is False
    assert GameFactory(game_id=5).hash is None
