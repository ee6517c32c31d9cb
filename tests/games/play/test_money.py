import pytest
from hypothesis import given
from hypothesis import strategies as st

from games.play.money import format_e4, parse_e4


@pytest.mark.parametrize(
    ("text", "decimals", "amount_e4"),
    [("0.01", 2, 100), ("150", 2, 1_500_000), ("1.5", 2, 15_000), ("15000", 0, 150_000_000), ("0", 2, 0)],
)
def test_an_amount_is_read_as_ten_thousandths(text, decimals, amount_e4):
    assert parse_e4(text, decimals) == amount_e4


@pytest.mark.parametrize(
    "text",
    ["", "-1", "+1", "1e2", "1e400", "NaN", "Infinity", "1.", ".5", "01", "1,5", " 1", "1\n", "٣", "1_0", "9" * 13],
)
def test_any_other_form_is_refused(text):
    with pytest.raises(ValueError, match="Expected an amount as text"):
        parse_e4(text, 2)


def test_more_decimals_than_the_currency_has_are_refused():
    with pytest.raises(ValueError, match="At most 2 decimals are allowed"):
        parse_e4("0.001", 2)
    with pytest.raises(ValueError, match="Decimals are not allowed"):
        parse_e4("1.0", 0)


@pytest.mark.parametrize(
    ("amount_e4", "decimals", "text"),
    [
        (110, 2, "0.011"),
        (11_000, 2, "1.10"),
        (0, 2, "0.00"),
        (-15_000, 2, "-1.50"),
        (150_000_000, 0, "15000"),
        (11_000, 0, "1.1"),
        (59_670_000, 2, "5967.00"),
    ],
)
def test_an_amount_is_written_without_losing_a_digit(amount_e4, decimals, text):
    assert format_e4(amount_e4, decimals) == text


@given(st.integers(0, 10**15), st.sampled_from([0, 2]))
def test_what_is_written_reads_as_the_same_amount(amount_e4, decimals):
    assert parse_e4(format_e4(amount_e4, decimals), 4) == amount_e4
