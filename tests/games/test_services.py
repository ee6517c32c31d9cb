from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from games.models import Game
from games.rounds import Round
from games.services import MAX_JUMP, RejectedRounds, record_games, reverify

pytestmark = pytest.mark.django_db

# BC.Game 5882139, salt of block 758,160: the recorded vector that needs toPrecision(9).
GENUINE = Round(
    game_id=5_882_139,
    crash_hundredths=12_715_129,
    hash="ee26c15d260a40f3c17c2af08fb39b20b4839277d3deaf719a6646deea9799cd",
    end_time=datetime(2023, 1, 5, 12, 0, 0, 123_456, tzinfo=UTC),
)


def record(*rounds: Round, **options):
    return record_games(rounds, source="test", **options)


def test_a_new_game_is_created_and_verified_by_its_hash():
    recorded = record(GENUINE)
    assert (recorded.created, recorded.updated, recorded.unchanged) == ([5_882_139], [], [])
    game = Game.objects.get()
    assert (game.verified, game.calculated_hundredths, game.formula) == (True, 12_715_129, "bcgame-758160")
    assert game.crashed_floor == 127_151
    assert game.end_time == datetime(2023, 1, 5, 12, 0, 0, 123_000, tzinfo=UTC)  # cut to milliseconds
    assert game.source == "test"


def test_an_identical_repeat_writes_nothing():
    record(GENUINE)
    before = Game.objects.values().get()
    recorded = record(GENUINE, GENUINE)
    assert (recorded.created, recorded.updated, recorded.unchanged) == ([], [], [5_882_139])
    assert Game.objects.values().get() == before


def test_a_value_that_is_not_reported_keeps_its_stored_value():
    record(GENUINE)
    recorded = record(Round(game_id=GENUINE.game_id, crash_hundredths=GENUINE.crash_hundredths))
    assert recorded.unchanged == [GENUINE.game_id]
    assert Game.objects.get().hash == GENUINE.hash


def test_a_value_reported_later_is_added():
    record(replace(GENUINE, hash=None))
    assert Game.objects.get().verified is None
    assert record(GENUINE).updated == [GENUINE.game_id]
    assert Game.objects.get().verified is True


def test_a_crash_point_that_the_hash_does_not_give_is_stored_and_flagged():
    record(replace(GENUINE, crash_hundredths=99_99))
    game = Game.objects.get()
    assert (game.crash_hundredths, game.calculated_hundredths, game.verified) == (99_99, 12_715_129, False)


def test_a_corrected_crash_point_is_reverified():
    record(replace(GENUINE, crash_hundredths=99_99))
    assert record(GENUINE).updated == [GENUINE.game_id]
    assert Game.objects.get().verified is True


def test_one_bad_round_rejects_the_call_and_nothing_is_written():
    bad = Round(game_id=0, crash_hundredths=99, hash="abc", end_time=datetime(2023, 1, 1))  # noqa: DTZ001
    with pytest.raises(RejectedRounds) as error:
        record(GENUINE, bad)
    assert error.value.errors == {
        1: {
            "game_id": ["Must be from 1 to 9007199254740991."],
            "crash_point": ["Must be from 1 to 2814749767106.55."],
            "hash": ["expected 64 hexadecimal digits, got 3"],
            "end_time": ["Expected a UTC offset."],
        }
    }
    assert not Game.objects.exists()


def test_times_out_of_order_are_rejected():
    with pytest.raises(RejectedRounds) as error:
        record(replace(GENUINE, begin_time=GENUINE.end_time + timedelta(seconds=1)))
    assert error.value.errors == {0: {"end_time": ["Must not be before begin_time or prepare_time."]}}


def test_times_out_of_order_with_stored_times_are_rejected():
    record(replace(GENUINE, begin_time=GENUINE.end_time - timedelta(seconds=5)))
    with pytest.raises(RejectedRounds) as error:
        record(replace(GENUINE, end_time=GENUINE.end_time - timedelta(hours=1)))
    assert error.value.errors == {0: {"end_time": ["Must not be before begin_time or prepare_time."]}}
    assert Game.objects.get().end_time == GENUINE.end_time.replace(microsecond=123_000)


def test_a_time_in_the_future_is_rejected():
    with pytest.raises(RejectedRounds) as error:
        record(replace(GENUINE, end_time=datetime.now(UTC) + timedelta(minutes=11)))
    assert error.value.errors == {0: {"end_time": ["Must not be more than 10 minutes in the future."]}}


def test_one_id_given_twice_with_different_values_is_rejected():
    with pytest.raises(RejectedRounds) as error:
        record(GENUINE, replace(GENUINE, crash_hundredths=200))
    assert error.value.errors == {1: {"game_id": ["Given twice with different values (first at 0)."]}}


@pytest.mark.parametrize("stored_before", [True, False])
def test_a_hash_belongs_to_one_game(stored_before):
    other = replace(GENUINE, game_id=1)
    if stored_before:
        record(GENUINE)
    with pytest.raises(RejectedRounds) as error:
        record(*([other] if stored_before else [GENUINE, other]))
    (errors,) = error.value.errors.values()
    assert errors["hash"][0].startswith("Belongs to game 5882139")


def test_a_rogue_id_needs_force():
    record(replace(GENUINE, hash=None))
    rogue = Round(game_id=GENUINE.game_id + MAX_JUMP + 1, crash_hundredths=200)
    with pytest.raises(RejectedRounds) as error:
        record(rogue)
    assert error.value.errors == {
        0: {"game_id": ["More than 1000000 ahead of the newest game, 5882139. If it is right, use force."]}
    }
    assert record(rogue, force=True).created == [rogue.game_id]


def test_ids_are_ordered_as_numbers_over_ten_million():
    record(*(Round(game_id=i, crash_hundredths=200) for i in (9_999_999, 10_000_000)))
    assert list(Game.objects.values_list("game_id", flat=True)) == [10_000_000, 9_999_999]


def test_reverify_changes_only_what_differs():
    record(GENUINE)
    Game.objects.update(verified=False, formula="wrong")
    assert reverify([GENUINE.game_id]) == [GENUINE.game_id]
    assert reverify([GENUINE.game_id]) == []
    assert Game.objects.get().formula == "bcgame-758160"
