from fractions import Fraction

import pytest

from games.play.configuration import DEFAULTS, InvalidConfiguration, parse_configuration
from games.play.difficulties import LANES
from games.play.ladder import ladder


def test_without_values_everything_has_its_default():
    configuration = parse_configuration({})
    assert configuration.house_edge == Fraction(1, 100)
    assert configuration.min_return == Fraction(9, 10)
    assert configuration.lanes == LANES
    assert configuration.tables == {name: tuple(ladder(lane, Fraction(1, 100))) for name, lane in LANES.items()}
    assert (configuration.session_ttl_seconds, configuration.redis_ttl_seconds) == (3600, 3600)
    assert configuration.payloads == DEFAULTS["game.payloads"]


def test_a_table_written_by_hand_takes_the_place_of_the_computed_one():
    table = [
        "1.61",
        *[f"{value // 100}.{value % 100:02d}" for value in ladder(LANES["DAREDEVIL"], Fraction(1, 100))[1:]],
    ]
    configuration = parse_configuration({"betConfig": {"minReturn": "0.90", "coefficients": {"DAREDEVIL": table}}})
    assert configuration.tables["DAREDEVIL"][:2] == (161, 275)
    assert configuration.tables["EASY"][0] == 110


WRITTEN = {"minReturn": "0.90", "coefficients": {"EASY": ["1.1"]}}


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("houseEdge", 0.01, 'Expected a share as text with at most four decimals, such as "0.01".'),
        ("houseEdge", "0.00001", 'Expected a share as text with at most four decimals, such as "0.01".'),
        ("houseEdge", "1.0", "The house edge must be below 1."),
        ("houseEdge", "0.2", "EASY: Step 1: the coefficient must be at least 1.00."),
        ("houseEdge", "0.1", "EASY: Step 2 returns 0.8957; allowed is 0.9000 to 1."),
        ("game.session.ttl", 59, "Expected a whole number of seconds from 60 to 86400."),
        ("game.session.ttl", True, "Expected a whole number of seconds from 60 to 86400."),
        ("redis.TTL", "60", "Expected a whole number of seconds from 60 to 86400."),
        ("hazardConfig", {}, "Expected an object with EASY, MEDIUM, HARD, DAREDEVIL."),
        (
            "hazardConfig",
            {name: {"columns": 5} for name in LANES},
            "EASY: expected an object with columns and hazards.",
        ),
        (
            "hazardConfig",
            {name: {"columns": 5, "hazards": 5} for name in LANES},
            "EASY: expected whole numbers with 1 <= hazards < columns <= 60.",
        ),
        ("betConfig", [], "Expected an object with minReturn and, if tables are written by hand, coefficients."),
        (
            "betConfig",
            {"minReturn": "0.90", "coefficients": {"SIMPLE": []}},
            "coefficients: expected an object with some of EASY, MEDIUM, HARD, DAREDEVIL.",
        ),
        ("betConfig", WRITTEN, 'EASY: Step 1: expected a coefficient as text with two decimals, such as "1.10".'),
        (
            "betConfig",
            {"minReturn": "0.90", "coefficients": {"EASY": "1.10"}},
            "EASY: expected a list of coefficients.",
        ),
        (
            "betConfig",
            {"minReturn": "0.90", "coefficients": {"EASY": ["1.10"]}},
            "EASY: The table must have 27 coefficients, it has 1.",
        ),
        (
            "game.payloads",
            {"platform": "x"},
            "Expected an object with the texts platform, gameType, gameCode, gameName, settleType.",
        ),
    ],
)
def test_a_wrong_value_is_refused_with_its_reason(key, value, message):
    with pytest.raises(InvalidConfiguration) as refusal:
        parse_configuration({key: value})
    assert (refusal.value.key, str(refusal.value)) == (key, message)
