"""The public audit of the draw, beside a plain recomputation."""

from collections import Counter
from fractions import Fraction

import pytest
from scipy import stats

from games.play import draw
from games.play.difficulties import LANES
from games.play.models import Bet, EndedBy
from games.play.selectors.draw_audit import (
    Game,
    draw_audit,
    first_hazard_chance,
    first_hazard_test,
)
from tests.factories.play import ENDING, NOW, make_bet, make_user
from tests.games.play.draws import fixed_seeds
from tests.games.play.playing import make_caller, placed, step

EASY = Game("EASY", LANES["EASY"])


def first_hazards(number: int, name: str = "EASY") -> Counter[int]:
    lane = LANES[name]
    drawn = (
        draw.draw_hazards(*fixed_seeds(f"audit {name}", one), one, columns=lane.columns, hazards=lane.hazards)
        for one in range(number)
    )
    return Counter(hazards[0] for hazards in drawn)


@pytest.mark.parametrize("name", LANES)
def test_the_chances_of_the_first_hazard_sum_to_one(name):
    lane = LANES[name]
    chances = [first_hazard_chance(lane, column) for column in range(1, lane.columns - lane.hazards + 2)]
    assert sum(chances) == 1
    assert chances[0] == Fraction(lane.hazards, lane.columns)


@pytest.mark.parametrize("name", LANES)
def test_the_test_is_pearsons_over_columns_that_expect_enough(name):
    game = Game(name, LANES[name])
    test = first_hazard_test(game, "all", first_hazards(2_000, name))
    observed = [cell.observed for cell in test.cells]
    expected = [float(cell.expected) for cell in test.cells]
    assert min(expected) >= 5
    assert (sum(observed), pytest.approx(sum(expected))) == (2_000, 2_000)
    assert test.cells[0].first_column == 1
    assert test.cells[-1].last_column == game.lane.columns - game.lane.hazards + 1
    reference = stats.chisquare(observed, expected)
    assert test.chi_square == pytest.approx(reference.statistic)
    assert test.p_value == pytest.approx(reference.pvalue)
    assert test.p_value > 0.001


def test_too_few_bets_have_no_verdict():
    test = first_hazard_test(EASY, "all", Counter({1: 3, 2: 4}))
    assert (len(test.cells), test.chi_square, test.p_value) == (1, None, None)


def test_a_house_that_loses_the_connection_on_winning_bets_is_seen():
    honest = first_hazards(400)
    cancelled = Counter({column: count for column, count in honest.items() if column > 5})
    assert first_hazard_test(EASY, "all", honest).p_value > 0.001
    assert first_hazard_test(EASY, "cancelled", cancelled).p_value < 1e-9


@pytest.mark.django_db
def test_bets_are_grouped_by_what_became_of_them():
    user = make_user()
    placing = {**ENDING, "ended_by": EndedBy.NOT_PLACED, "previous_state": "placing"}
    make_bet(user, **placing, state="refused", settled_at=NOW)
    make_bet(user, **placing, state="cancelling")
    make_bet(user, **{**placing, "previous_state": "cancelling"}, state="cancelled", settled_at=NOW)
    make_bet(user, **ENDING, ended_by=EndedBy.ABANDONED, previous_state="placed", state="refunding")
    make_bet(user)  # open: it says nothing
    audit = draw_audit()
    assert audit.bets == {"all": 4, "placed": 1, "refused": 1, "cancelled": 2}
    assert (audit.tests, {audit.verdict(test) for test in audit.first_hazard}) == (0, {None})


@pytest.mark.django_db
def test_the_audit_says_consistent_or_deviates_and_how_many_tests_it_made():
    user = make_user()
    for column, count in first_hazards(60).items():
        for _ in range(count):
            ending = {**ENDING, "hazards": [column, 29, 30], "first_hazard": column}
            make_bet(user, **ending, ended_by=EndedBy.ABANDONED, previous_state="placed", state="refunding")
    audit = draw_audit()
    assert audit.tests == 2  # all, and placed
    assert {audit.verdict(test) for test in audit.first_hazard} == {"consistent"}
    Bet.objects.update(first_hazard=28)
    assert {audit.verdict(test) for audit in [draw_audit()] for test in audit.first_hazard} == {"deviates"}


@pytest.mark.django_db
def test_attempts_and_survivals_of_each_step_are_counted():
    expected: Counter[tuple[int, str]] = Counter()
    for name in ("ada", "grace", "edsger", "barbara"):
        caller = make_caller(name)
        bet_id, number = placed(caller, difficulty="DAREDEVIL"), 0
        while True:
            number += 1
            bet = step(caller, bet_id, number)
            expected[number, "attempts"] += 1
            if not bet.is_open and bet.result == "lost":
                break
            expected[number, "survived"] += 1
            if not bet.is_open:
                break
    found = Counter()
    for row in draw_audit().steps:
        found[row.step, "attempts"] = row.attempts
        found[row.step, "survived"] = row.survived
        assert row.expected == Fraction(18 - 7 - row.step + 1, 18 - row.step + 1)
    assert +found == +expected
