from itertools import pairwise

import pytest

from games.fairness import FORMULAS, SITES, Randomness, formula_for


@pytest.mark.parametrize(
    ("site", "game_id", "name"),
    [
        ("bcgame", 0, None),
        ("bcgame", 1, "bcgame-unsalted"),
        ("bcgame", 2_561_902, "bcgame-unsalted"),
        ("bcgame", 2_561_903, "bcgame-635380"),
        ("bcgame", 5_282_960, "bcgame-635380"),
        ("bcgame", 5_282_961, "bcgame-758160"),
        ("bcgame", 5_929_890, "bcgame-758160"),
        ("bcgame", 5_929_891, None),
        ("bcgame", 7_100_869, None),
        ("bcgame", 7_100_870, "bcgame-0301e280"),
        ("bcgame", 2**53 - 1, "bcgame-0301e280"),
        ("bustabit", 0, None),
        ("bustabit", 1, "bustabit-v2"),
        ("bustabit", 10_000_000, "bustabit-v2"),
        ("bustabit", 10_000_001, "bustabit-vx"),
        ("bustabit", 12_279_450, "bustabit-vx"),
        ("bustabit", 12_279_451, "bustabit-2024"),
        ("bustabit", 2**53 - 1, "bustabit-2024"),
    ],
)
def test_an_era_ends_at_its_last_game_and_the_next_begins_after(site, game_id, name):
    formula = formula_for(site, game_id)
    assert (formula and formula.name) == name


def test_an_unknown_site_is_an_error_not_a_game_without_formula():
    with pytest.raises(ValueError, match=r"^unknown site 'stake', expected one of: bcgame, bustabit$"):
        formula_for("stake", 1)


@pytest.mark.parametrize("site", SITES)
def test_eras_of_a_site_are_in_order_and_only_the_last_is_open(site):
    eras = [formula for formula in FORMULAS if formula.site == site]
    assert all(era.last_game < later.first_game for era, later in pairwise(eras))
    assert [era.last_game is None for era in eras] == [False] * (len(eras) - 1) + [True]


def test_names_are_unique():
    assert len({formula.name for formula in FORMULAS}) == len(FORMULAS)


def test_exactly_the_hmac_eras_carry_a_salt_and_only_vx_is_not_computable():
    assert {f.name for f in FORMULAS if f.salt is None} == {"bcgame-unsalted", "bustabit-vx"}
    assert all((f.salt is not None) == (f.randomness is Randomness.HMAC) for f in FORMULAS)
    assert [f.name for f in FORMULAS if not f.computable] == ["bustabit-vx"]
