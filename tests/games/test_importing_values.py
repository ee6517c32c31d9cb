from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from games.fairness import MAX_CRASH_HUNDREDTHS
from games.importing import BadLine, values
from games.rounds import Round

HASH = "5afc2cdf0d5645faa91a8d16c752bdb2a3d12627853dc31f05e6f311aee45895"


@pytest.mark.parametrize(
    "text", ["2699754", " 2699754 ", "#2699754", "Game #2699754", "Game#2699754", "game # 2699754"]
)
def test_a_game_id_may_have_a_prefix(text):
    assert values.parse_game_id(text) == 2_699_754


@pytest.mark.parametrize("text", ["", "NAN", "-1", "1.5", "12a", "1_000", "²", "١٢", "1e6", "5,880,000", "9" * 17])
def test_a_game_id_that_is_no_whole_number_is_rejected(text):
    with pytest.raises(BadLine) as error:
        values.parse_game_id(text)
    assert str(error.value) == f"game_id: expected a whole number, got {text!r}."


@pytest.mark.parametrize(
    ("text", "hundredths"),
    [
        ("1", 100),
        ("2.5", 250),
        (" 2.34 ", 234),
        ("2.34x", 234),
        ("2.34 X", 234),
        ("2.34\u00d7", 234),
        ("2.340", 234),
        ("1,234.56", 123_456),
        ("1,234,567x", 123_456_700),
        # As floats, 1.13 * 100 is 112.99999999999999 and 2814749767106.55 loses its last digit in hundredths.
        ("1.13", 113),
        ("2,814,749,767,106.55", MAX_CRASH_HUNDREDTHS),
    ],
)
def test_a_crash_point_is_read_exactly(text, hundredths):
    assert values.parse_crash_hundredths(text) == hundredths


@given(st.integers(min_value=100, max_value=MAX_CRASH_HUNDREDTHS), st.booleans())
def test_every_crash_point_that_is_written_is_read_back(hundredths, commas):
    whole, rest = divmod(hundredths, 100)
    assert values.parse_crash_hundredths(f"{whole:,}.{rest:02d}" if commas else f"{whole}.{rest:02d}") == hundredths


@pytest.mark.parametrize(
    "text", ["", "-", "NAN", "nan", "1e2", "1.16x0", "12,34", "1,2345", ",123", "1.2.3", "-2", "inf", "1.", ".5", "٢"]
)
def test_a_crash_point_that_is_no_number_is_rejected(text):
    with pytest.raises(BadLine) as error:
        values.parse_crash_hundredths(text)
    assert str(error.value) == f"crash_point: expected a number, got {text!r}."


@pytest.mark.parametrize("text", ["0", "0.99", "1.234"])
def test_a_number_that_is_no_crash_point_is_rejected(text):
    with pytest.raises(BadLine, match=f"^crash_point: .* Got '{text}'.$"):
        values.parse_crash_hundredths(text)


@pytest.mark.parametrize(
    "text",
    ["2020-01-01T00:00:07+00:00", "2020-01-01T00:00:07Z", "2020-01-01 01:00:07+01:00", "1577836807000"],
)
def test_a_time_is_iso_8601_with_an_offset_or_unix_milliseconds(text):
    assert values.parse_time("end_time", text) == datetime(2020, 1, 1, 0, 0, 7, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "-", "NAN", "null", "0"])
def test_an_unknown_time_is_none(text):
    assert values.parse_time("end_time", text) is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("2020-01-01T00:00:07", "expected a UTC offset, such as Z or +01:00, got '2020-01-01T00:00:07'."),
        ("yesterday", "expected ISO 8601 or Unix milliseconds, got 'yesterday'."),
        ("2020-13-01T00:00:00Z", "expected ISO 8601 or Unix milliseconds, got '2020-13-01T00:00:00Z'."),
        ("9999999999999999", "expected a time from year 1 to 9999, got '9999999999999999'."),
        ("9999-12-31T23:59:59-14:00", "expected a time from year 1 to 9999, got '9999-12-31T23:59:59-14:00'."),
        ("0001-01-01T00:00:00+14:00", "expected a time from year 1 to 9999, got '0001-01-01T00:00:00+14:00'."),
    ],
)
def test_an_ambiguous_time_is_rejected(text, reason):
    with pytest.raises(BadLine) as error:
        values.parse_time("end_time", text)
    assert str(error.value) == f"end_time: {reason}"


def test_a_round_is_normalised():
    round_ = values.to_round(
        {"game_id": "5900000", "crash_point": "2.5", "hash": HASH.upper(), "end_time": "2020-01-01T00:00:00.123456Z"}
    )
    end_time = datetime(2020, 1, 1, 0, 0, 0, 123_000, tzinfo=UTC)
    assert round_ == Round(game_id=5_900_000, crash_hundredths=250, hash=HASH, end_time=end_time)


def test_the_errors_of_a_round_are_reported_by_field():
    with pytest.raises(BadLine) as error:
        values.to_round({"game_id": "0", "crash_point": "2", "hash": HASH[1:], "begin_time": "1577836807"})
    assert str(error.value) == (
        "game_id: Must be from 1 to 9007199254740991. hash: expected 64 hexadecimal digits, got 63 "
        "begin_time: Must not be before 2009-01-03."
    )


def test_a_long_value_is_cut_in_the_reason():
    with pytest.raises(BadLine) as error:
        values.parse_game_id("x" * 5000)
    assert str(error.value) == f"game_id: expected a whole number, got '{'x' * 40}…'."
