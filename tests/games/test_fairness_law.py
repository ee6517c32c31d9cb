from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from games.fairness import SITES, law_for

LAW = law_for("bcgame")


@pytest.mark.parametrize(
    ("hundredths", "probability"),
    [
        (-1, Fraction(1)),
        (0, Fraction(1)),
        (100, Fraction(1)),
        (101, Fraction(99, 101)),
        (198, Fraction(1, 2)),
        (200, Fraction(495, 1000)),
        (1000, Fraction(99, 1000)),
    ],
)
def test_the_chance_of_at_least(hundredths, probability):
    assert LAW.probability_at_least(hundredths) == probability


@pytest.mark.parametrize(
    ("hundredths", "probability"),
    [(99, Fraction(0)), (100, Fraction(2, 101)), (120, Fraction(22, 121)), (197, Fraction(1, 2))],
)
def test_the_chance_of_at_most_includes_its_bound(hundredths, probability):
    assert LAW.probability_at_most(hundredths) == probability


@pytest.mark.parametrize(
    ("whole", "probability"),
    [(0, Fraction(0)), (1, Fraction(101, 200)), (2, Fraction(165, 1000)), (10, Fraction(9, 1000))],
)
def test_the_chance_of_a_floor(whole, probability):
    assert LAW.probability_floor(whole) == probability


@given(st.integers(1, 200))
def test_floors_and_the_tail_sum_to_one(count):
    floors = sum(LAW.probability_floor(whole) for whole in range(1, count + 1))
    assert floors + LAW.probability_at_least(100 * (count + 1)) == 1


@given(st.integers(0, 10**12))
def test_at_most_and_more_sum_to_one(hundredths):
    assert LAW.probability_at_most(hundredths) + LAW.probability_at_least(hundredths + 1) == 1


@given(st.integers(0, 10**12), st.integers(0, 10**12))
def test_a_higher_target_is_never_likelier(one, other):
    low, high = sorted((one, other))
    assert 0 < LAW.probability_at_least(high) <= LAW.probability_at_least(low) <= 1
    assert 0 <= LAW.probability_at_most(low) <= LAW.probability_at_most(high) < 1


@pytest.mark.parametrize("site", SITES)
def test_every_site_has_the_law_of_one_percent(site):
    assert law_for(site) == LAW


def test_an_unknown_site_has_no_law():
    with pytest.raises(ValueError, match=r"^unknown site 'stake', expected one of: bcgame, bustabit$"):
        law_for("stake")
