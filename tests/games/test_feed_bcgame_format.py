import json
from datetime import UTC, datetime, timedelta

import pytest

from games.feeds.bcgame.format import MalformedResponse, SiteReturnedError, parse_page
from games.rounds import Round

# 2026-06-06 11:31:57.219 UTC, 4.16x: a recorded row, but not with its real hash.
DETAIL = {"hash": "a" * 64, "rate": "4.16", "prepareTime": 0, "beginTime": 1780745481219, "endTime": 1780745517219}
ROW = {"gameId": "9313905", "gameDetail": json.dumps(DETAIL)}
END = datetime(2026, 6, 6, 11, 31, 57, 219_000, tzinfo=UTC)
ROUND = Round(
    game_id=9_313_905, crash_hundredths=416, hash="a" * 64, begin_time=END - timedelta(seconds=36), end_time=END
)


def page(*rows, shape="list", **outer):
    return parse_page(json.dumps({"code": 0, "msg": None, "data": {shape: list(rows)}, **outer}).encode())


def row(**detail):
    return {**ROW, "gameDetail": json.dumps({**DETAIL, **detail})}


@pytest.mark.parametrize("shape", ["list", "items"])
@pytest.mark.parametrize("game_id", ["9313905", 9313905])
@pytest.mark.parametrize("rate", ["4.16", 4.16])
def test_both_formats_and_text_or_numbers_give_the_same_round(shape, game_id, rate):
    found = page({**row(rate=rate), "gameId": game_id}, shape=shape)
    assert (found.rounds, found.unreadable) == ((ROUND,), ())


@pytest.mark.parametrize(
    ("rate", "hundredths"), [("1", 100), (1, 100), (127151.29, 12_715_129), ("1352459.01", 135_245_901)]
)
def test_a_rate_is_read_digit_by_digit(rate, hundredths):
    assert page(row(rate=rate)).rounds[0].crash_hundredths == hundredths


def test_zero_null_and_absent_times_are_unknown():
    (round_,) = page(row(prepareTime=0, beginTime=None, endTime="0")).rounds
    assert (round_.prepare_time, round_.begin_time, round_.end_time) == (None, None, None)


def test_an_empty_hash_is_unknown():
    assert page(row(hash="")).rounds[0].hash is None


def test_unknown_fields_are_ignored():
    assert page({**ROW, "status": 1, "profit": {"x": []}}, traceId="7").rounds == (ROUND,)


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (row(rate="abc"), "Expected a number with at most two decimals, such as 2 or 2.34."),
        (row(rate="4.165"), "Expected a number with at most two decimals, such as 2 or 2.34."),
        (row(rate=None), "Expected a number with at most two decimals, such as 2 or 2.34."),
        (row(rate="1e9"), "Expected a number with at most two decimals, such as 2 or 2.34."),
        (row(rate="0"), "A crash point must be at least 1."),
        ({**ROW, "gameDetail": "{}"}, "Object missing required field `rate`"),
        ({**ROW, "gameDetail": "{"}, "Input data was truncated"),
        ({**ROW, "gameDetail": None}, "Expected `str`, got `null` - at `$.gameDetail`"),
        ({**ROW, "gameId": "9313905x"}, "Expected `int`, got `str` - at `$.gameId`"),
        ({**ROW, "gameId": True}, "Expected `int`, got `bool` - at `$.gameId`"),
        (row(endTime=10**18), "A time is out of range"),
        (None, "Expected `object`, got `null`"),
    ],
)
def test_a_broken_round_is_reported_and_stops_no_other(broken, reason):
    found = page(broken, ROW)
    assert found.rounds == (ROUND,)
    (description,) = found.unreadable
    assert description.startswith(f"{reason} in ")


def test_the_description_of_a_broken_round_is_one_short_line():
    (description,) = page({"gameId": "x\n\x1b[31m" + "y" * 1000}).unreadable
    assert description.isprintable()
    assert len(description) < 300


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b'{"data":{"list":{}}}',
        b'{"code":0}',
        b'{"data":{}}',
        b'{"data":{"list":' + b"[" * 100_000,
    ],
)
def test_another_format_is_malformed(body):
    with pytest.raises(MalformedResponse, match=r"^sends a malformed response: "):
        parse_page(body)


@pytest.mark.parametrize("code", [10005, "10005"])
def test_an_error_code_is_reported_with_its_message(code):
    with pytest.raises(SiteReturnedError, match=r"^refuses the request: code 10005, too many requests$"):
        page(code=code, msg="too\nmany requests", data=None)
