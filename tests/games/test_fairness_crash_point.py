import hashlib
import hmac
import json
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from games.fairness import FORMULAS, InfiniteCrashPoint, MalformedHash, crash_hundredths, formula_for
from games.fairness.crash_point import hundredths_of, to_precision

VECTORS = json.loads((Path(__file__).parent / "vectors.json").read_text())
BY_NAME = {formula.name: formula for formula in FORMULAS}
ROUNDED, EXACT, UNSALTED = BY_NAME["bcgame-758160"], BY_NAME["bustabit-v2"], BY_NAME["bcgame-unsalted"]


def vector(game_id):
    return next(row for row in VECTORS if row["game_id"] == game_id)


@pytest.mark.parametrize("row", VECTORS, ids=lambda row: f"{row['site']}-{row['game_id']}")
def test_a_recorded_game_has_the_recorded_crash_point(row):
    formula = formula_for(row["site"], row["game_id"])
    assert crash_hundredths(formula, row["hash"]) == row["crash_hundredths"]


def test_the_vectors_cover_every_era_that_was_ever_recorded():
    assert {formula_for(row["site"], row["game_id"]).name for row in VECTORS} == {
        "bcgame-758160",
        "bcgame-0301e280",
        "bustabit-v2",
        "bustabit-2024",
    }


def result_without_rounding(row):
    salt = formula_for(row["site"], row["game_id"]).salt
    mac = hmac.new(salt.encode(), bytes.fromhex(row["hash"]), hashlib.sha256).hexdigest()
    return int(99 / (1 - int(mac[:13], 16) / 2**52))


@pytest.mark.parametrize(
    ("game_id", "rounded", "unrounded"),
    [(5_882_139, 12_715_129, 12_715_578), (5_890_242, 60_686, 60_685)],
)
def test_bcgame_rounds_x_to_nine_digits_and_the_difference_shows(game_id, rounded, unrounded):
    row = vector(game_id)
    assert crash_hundredths(ROUNDED, row["hash"]) == rounded
    assert result_without_rounding(row) == unrounded


def test_a_quotient_of_99_is_shown_as_1_00():
    row = vector(5_832_133)
    assert result_without_rounding(row) == 99
    assert crash_hundredths(ROUNDED, row["hash"]) == 100


# In the oldest era the digits are the hash's own, so a hash can be written for any X.
@pytest.mark.parametrize(
    ("first_digits", "hundredths"),
    [
        ("0000000000000", 100),  # X = 0
        ("0147ae147ae15", 100),  # X = 0.005
        ("8000000000000", 198),  # X = 1/2
        (
            "ff40000000000",
            33_792,
        ),  # X = 1021/1024, a tie: up as in JavaScript, not to even (33791)
        ("fffffffbb47d1", 99_000_002_799),  # X = 0.999999999, the largest that is finite
    ],
)
def test_the_arithmetic_on_digits_of_our_choice(first_digits, hundredths):
    assert crash_hundredths(UNSALTED, first_digits.ljust(64, "0")) == hundredths


def test_an_x_that_rounds_to_one_is_its_own_error():
    with pytest.raises(InfiniteCrashPoint, match=r"^the crash point is infinite: X rounds to 1$"):
        crash_hundredths(UNSALTED, "f" * 64)


def test_without_rounding_the_largest_x_is_finite():
    assert hundredths_of(EXACT, 2**52 - 1) == 99 * 2**52


def test_doubles_are_kept_where_integers_would_differ():
    distance = 4_328_702_554_462_904  # 103 * distance = 99 * 2**52 + 40
    assert 99 * 2**52 // distance == 102
    assert hundredths_of(EXACT, 2**52 - distance) == 103  # what the site's JavaScript computes


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        (0.0, 0.0),
        (1 / 2**52, 2.22044605e-16),
        (513 / 1024, 0.500976563),  # 0.5009765625, node: (513/1024).toPrecision(9)
        (1021 / 1024, 0.997070313),  # 0.9970703125
        (1023 / 1024, 0.999023438),  # 0.9990234375
        (0.0999999999996, 0.1),
        (0.9999999995, 0.999999999),  # the double lies below its decimal
        (2**-14, 6.10351563e-05),  # 6.103515625e-05
        (1 - 2**-52, 1.0),
    ],
)
def test_to_precision_is_javascripts(x, expected):
    assert to_precision(x, 9) == expected


@given(st.integers(1, 2**52 - 1))
def test_to_precision_is_the_nearest_of_nine_digits_and_the_larger_of_two(r):
    x, unit = Fraction(r, 2**52), Fraction(1, 10**9)
    while x < 10**8 * unit:
        unit /= 10
    assert to_precision(r / 2**52, 9) == float((x / unit + Fraction(1, 2)) // 1 * unit)


@pytest.mark.parametrize("formula", [ROUNDED, EXACT], ids=lambda formula: formula.name)
@given(one=st.integers(0, 2**52 - 2**23), other=st.integers(0, 2**52 - 2**23))
def test_a_larger_random_number_never_crashes_earlier(formula, one, other):
    low, high = sorted((one, other))
    assert 100 <= hundredths_of(formula, low) <= hundredths_of(formula, high)


def test_vx_has_no_crash_point_here_but_a_malformed_hash_is_still_an_error():
    vx = BY_NAME["bustabit-vx"]
    assert crash_hundredths(vx, "e1" * 32) is None
    with pytest.raises(MalformedHash):
        crash_hundredths(vx, "e1" * 31)


@pytest.mark.parametrize("formula", FORMULAS, ids=lambda formula: formula.name)
@pytest.mark.parametrize("text", ["", "a" * 63, "a" * 65, "g" * 64])
def test_a_malformed_hash_is_an_error_never_1_00(formula, text):
    with pytest.raises(MalformedHash):
        crash_hundredths(formula, text)


def test_the_case_of_a_hash_does_not_matter():
    row = vector(5_882_139)
    assert crash_hundredths(ROUNDED, row["hash"].upper()) == row["crash_hundredths"]
