"""The configuration of the game: defaults, and what a stored value must look like. Pure: no database."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any

from games.play.difficulties import LANES, Lane
from games.play.ladder import InvalidLadder, check_ladder, ladder

PAYLOADS, REDIS_TTL, SESSION_TTL = "game.payloads", "redis.TTL", "game.session.ttl"
BET_CONFIG, HAZARD_CONFIG, HOUSE_EDGE = "betConfig", "hazardConfig", "houseEdge"

DEFAULTS: dict[str, Any] = {
    PAYLOADS: {
        "platform": "crash-monitor",
        "gameType": "CRASH",
        "gameCode": "step-game",
        "gameName": "step-game",
        "settleType": "platformTxId",
    },
    REDIS_TTL: 60 * 60,
    SESSION_TTL: 60 * 60,
    BET_CONFIG: {"minReturn": "0.90"},
    HAZARD_CONFIG: {name: {"columns": lane.columns, "hazards": lane.hazards} for name, lane in LANES.items()},
    HOUSE_EDGE: "0.01",
}

MAX_COLUMNS = 60
SECONDS = range(60, 24 * 60 * 60 + 1)
_SHARE = re.compile(r"0(?:\.[0-9]{1,4})?|1(?:\.0{1,4})?")
_COEFFICIENT = re.compile(r"([1-9][0-9]{0,9})\.([0-9]{2})")


class InvalidConfiguration(ValueError):
    """A value is not accepted. `key` names its row."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key


@dataclass(frozen=True, slots=True)
class Configuration:
    """`tables` has the coefficients of each difficulty in hundredths, computed or written by hand."""

    house_edge: Fraction
    min_return: Fraction
    lanes: Mapping[str, Lane]
    tables: Mapping[str, tuple[int, ...]]
    session_ttl_seconds: int
    redis_ttl_seconds: int
    payloads: Mapping[str, str]


def parse_configuration(values: Mapping[str, Any]) -> Configuration:
    """Return the configuration that stored values give; a missing one has its default. Raises InvalidConfiguration."""
    complete = {**DEFAULTS, **values}
    parsed = {key: _parsed(key, parse, complete[key]) for key, parse in _PARSERS.items()}
    min_return, written = parsed[BET_CONFIG]
    lanes, edge = parsed[HAZARD_CONFIG], parsed[HOUSE_EDGE]
    return Configuration(
        house_edge=edge,
        min_return=min_return,
        lanes=lanes,
        tables={name: _table(name, lane, edge, min_return, written.get(name)) for name, lane in lanes.items()},
        session_ttl_seconds=parsed[SESSION_TTL],
        redis_ttl_seconds=parsed[REDIS_TTL],
        payloads=parsed[PAYLOADS],
    )


def _table(name: str, lane: Lane, edge: Fraction, min_return: Fraction, written: list[int] | None) -> tuple[int, ...]:
    try:
        return _checked(lane, edge, min_return, None if written is None else tuple(written))
    except InvalidLadder as error:
        raise InvalidConfiguration(HOUSE_EDGE if written is None else BET_CONFIG, f"{name}: {error}") from error


@lru_cache(maxsize=64)  # every bet reads the configuration
def _checked(lane: Lane, edge: Fraction, min_return: Fraction, written: tuple[int, ...] | None) -> tuple[int, ...]:
    table = tuple(ladder(lane, edge)) if written is None else written
    check_ladder(lane, table, min_return)
    return table


def _parsed(key: str, parse: Callable[[Any], Any], value: Any) -> Any:
    try:
        return parse(value)
    except ValueError as error:
        raise InvalidConfiguration(key, str(error)) from error


def _payloads(value: Any) -> dict[str, str]:
    names = DEFAULTS[PAYLOADS].keys()
    if not isinstance(value, dict) or value.keys() != names or not all(_is_text(text) for text in value.values()):
        raise ValueError(f"Expected an object with the texts {', '.join(names)}.")
    return value


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and 1 <= len(value) <= 64


def _seconds(value: Any) -> int:
    if type(value) is not int or value not in SECONDS:
        raise ValueError(f"Expected a whole number of seconds from {SECONDS[0]} to {SECONDS[-1]}.")
    return value


def _share(value: Any) -> Fraction:
    if not isinstance(value, str) or not _SHARE.fullmatch(value):
        raise ValueError('Expected a share as text with at most four decimals, such as "0.01".')
    return Fraction(value)


def _house_edge(value: Any) -> Fraction:
    edge = _share(value)
    if edge >= 1:
        raise ValueError("The house edge must be below 1.")
    return edge


def _lanes(value: Any) -> dict[str, Lane]:
    if not isinstance(value, dict) or value.keys() != LANES.keys():
        raise ValueError(f"Expected an object with {', '.join(LANES)}.")
    return {name: _lane(name, value[name]) for name in LANES}


def _lane(name: str, value: Any) -> Lane:
    if not isinstance(value, dict) or value.keys() != {"columns", "hazards"}:
        raise ValueError(f"{name}: expected an object with columns and hazards.")
    columns, hazards = value["columns"], value["hazards"]
    if type(columns) is not int or type(hazards) is not int or not 1 <= hazards < columns <= MAX_COLUMNS:
        raise ValueError(f"{name}: expected whole numbers with 1 <= hazards < columns <= {MAX_COLUMNS}.")
    return Lane(columns, hazards)


def _bet_config(value: Any) -> tuple[Fraction, dict[str, list[int]]]:
    if not isinstance(value, dict) or not {"minReturn"} <= value.keys() <= {"minReturn", "coefficients"}:
        raise ValueError("Expected an object with minReturn and, if tables are written by hand, coefficients.")
    written = value.get("coefficients", {})
    if not isinstance(written, dict) or not written.keys() <= LANES.keys():
        raise ValueError(f"coefficients: expected an object with some of {', '.join(LANES)}.")
    return _share(value["minReturn"]), {name: _coefficients(name, table) for name, table in written.items()}


def _coefficients(name: str, table: Any) -> list[int]:
    if not isinstance(table, list):
        raise ValueError(f"{name}: expected a list of coefficients.")
    return [_hundredths(name, step, text) for step, text in enumerate(table, start=1)]


def _hundredths(name: str, step: int, text: Any) -> int:
    match = _COEFFICIENT.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError(f'{name}: Step {step}: expected a coefficient as text with two decimals, such as "1.10".')
    return int(match[1]) * 100 + int(match[2])


_PARSERS: dict[str, Callable[[Any], Any]] = {
    PAYLOADS: _payloads,
    REDIS_TTL: _seconds,
    SESSION_TTL: _seconds,
    BET_CONFIG: _bet_config,
    HAZARD_CONFIG: _lanes,
    HOUSE_EDGE: _house_edge,
}
