from fractions import Fraction
from math import prod

import pytest

from games.play.difficulties import LANES, Lane
from games.play.ladder import (
    InvalidLadder,
    check_ladder,
    ladder,
    last_step_on_offer,
    payout_e4,
    reach_chance,
    step_chance,
    step_return,
)
from tests.games.play import oracle

EDGE = Fraction(1, 100)
MIN_RETURN = Fraction(90, 100)
TABLES = {name: ladder(lane, EDGE) for name, lane in LANES.items()}
STAKE_E4, MAX_WIN_E4 = 150_0000, 10_000_0000


@pytest.mark.parametrize(
    ("difficulty", "steps", "first", "last"),
    [
        ("EASY", 27, 110, 401_940),
        ("MEDIUM", 21, 117, 1_252_350),
        ("HARD", 17, 128, 2_607_066),
        ("DAREDEVIL", 11, 162, 3_150_576),
    ],
)
def test_the_first_and_the_last_coefficient(difficulty, steps, first, last):
    table = TABLES[difficulty]
    assert (len(table), table[0], table[-1]) == (steps, first, last)


@pytest.mark.parametrize("difficulty", LANES)
def test_the_coefficients_equal_an_independent_computation(difficulty):
    lane = LANES[difficulty]
    for edge in ("0", "0.01", "0.0123", "0.1"):
        assert ladder(lane, Fraction(edge)) == oracle.coefficients(*lane, edge)


@pytest.mark.parametrize("difficulty", LANES)
def test_the_coefficients_rise_strictly(difficulty):
    table = TABLES[difficulty]
    assert table == sorted(set(table))


def test_every_step_returns_from_0_9828_to_0_99():
    returns = [
        step_return(lane, step, TABLES[name][step - 1])
        for name, lane in LANES.items()
        for step in range(1, lane.steps + 1)
    ]
    assert min(returns) == step_return(LANES["MEDIUM"], 1, 117) == Fraction("0.9828")
    assert max(returns) <= Fraction("0.99")


@pytest.mark.parametrize("difficulty", LANES)
def test_a_step_is_reached_with_the_product_of_the_chances_before_it(difficulty):
    lane = LANES[difficulty]
    for step in range(1, lane.steps + 1):
        assert reach_chance(lane, step) == prod(step_chance(lane, one) for one in range(1, step + 1))
    assert step_chance(lane, lane.steps + 1) == 0


@pytest.mark.parametrize("edge", [Fraction(-1, 100), Fraction(1), Fraction(1, 30_000), Fraction(1, 3)])
def test_an_edge_outside_of_0_to_1_or_with_more_than_four_decimals_is_refused(edge):
    with pytest.raises(ValueError, match="The house edge must be at least 0, below 1 and have at most 4 decimals"):
        ladder(LANES["EASY"], edge)


@pytest.mark.parametrize("difficulty", LANES)
def test_a_computed_ladder_is_accepted(difficulty):
    check_ladder(LANES[difficulty], TABLES[difficulty], MIN_RETURN)


def replaced(step: int, coefficient: int) -> list[int]:
    table = list(TABLES["DAREDEVIL"])
    table[step - 1] = coefficient
    return table


@pytest.mark.parametrize(
    ("table", "step", "message"),
    [
        (TABLES["DAREDEVIL"][:-1], None, "The table must have 11 coefficients, it has 10."),
        ([*TABLES["DAREDEVIL"], 10**7], None, "The table must have 11 coefficients, it has 12."),
        (replaced(3, TABLES["DAREDEVIL"][1]), 3, "Step 3: the coefficient must be above that of the step before."),
        (replaced(1, 99), 1, "Step 1: the coefficient must be at least 1.00."),
        (replaced(1, 147), 1, "Step 1 returns 0.8983; allowed is 0.9000 to 1."),
        (replaced(1, 164), 1, "Step 1 returns 1.0022; allowed is 0.9000 to 1."),
        (replaced(11, 3_608_855), 11, "Step 11 returns 1.1340; allowed is 0.9000 to 1."),
    ],
)
def test_a_table_that_does_not_fit_the_draw_is_refused_by_its_step(table, step, message):
    with pytest.raises(InvalidLadder) as refusal:
        check_ladder(LANES["DAREDEVIL"], table, MIN_RETURN)
    assert (refusal.value.step, str(refusal.value)) == (step, message)


@pytest.mark.parametrize(("difficulty", "step"), [("EASY", 21), ("MEDIUM", 15), ("HARD", 11), ("DAREDEVIL", 6)])
def test_the_last_step_on_offer_pays_at_most_the_max_win(difficulty, step):
    table = TABLES[difficulty]
    assert last_step_on_offer(table, STAKE_E4, MAX_WIN_E4) == step
    assert payout_e4(STAKE_E4, table[step - 1]) <= MAX_WIN_E4 < payout_e4(STAKE_E4, table[step])


def test_daredevils_last_step_for_a_stake_of_150_pays_5967():
    assert payout_e4(STAKE_E4, TABLES["DAREDEVIL"][5]) == 5_967_0000


def test_a_small_stake_has_the_whole_ladder_on_offer():
    assert last_step_on_offer(TABLES["EASY"], 100, MAX_WIN_E4) == 27


def test_a_step_that_pays_exactly_the_max_win_is_on_offer():
    assert last_step_on_offer([110, 125], 100_0000, 125_0000) == 2


def test_no_step_is_on_offer_where_the_first_exceeds_the_max_win():
    assert last_step_on_offer(TABLES["EASY"], 10_000_0000, MAX_WIN_E4) == 0


def test_a_payout_is_exact():
    assert payout_e4(100, 110) == 110  # 0.01 at 1.10x is 0.0110
    with pytest.raises(ValueError, match="A stake of 101 ten-thousandths has more than two decimals"):
        payout_e4(101, 110)


def test_a_lane_with_one_step():
    lane = Lane(columns=2, hazards=1)
    assert ladder(lane, EDGE) == [198]
