"""The geometry of the charts, to the hundredth."""

from datetime import UTC, datetime, timedelta
from math import sqrt
from zoneinfo import ZoneInfo

import pytest

from web.dashboard.charts.deviation import bar, z_score
from web.dashboard.charts.heat import heat
from web.dashboard.charts.scales import Linear, Log, ceiling
from web.dashboard.charts.skyline import skyline
from web.dashboard.charts.survival import survival


def intervals(start: datetime, n: int, minutes: int, zone: str = "UTC", **last) -> list[dict]:
    rows = []
    for i in range(n):
        begin = (start + timedelta(minutes=i * minutes)).astimezone(ZoneInfo(zone))
        rows.append({"start": begin.isoformat(), "count": 0, "games": 30, "percentage": 0.0, "complete": True})
    rows[-1] |= last
    return rows


def test_a_logarithmic_axis_has_equal_decades_and_ends():
    axis = Log(1, 1000, 10, 310)
    assert [axis(value) for value in (1, 10, 100, 1000)] == [10, 110, 210, 310]
    assert (axis(0.5), axis(5000)) == (10, 310)
    assert list(axis.decades()) == [1, 10, 100, 1000]
    assert list(Log(0.02, 1, 0, 1).decades()) == [0.1, 1]


def test_a_linear_axis_may_be_a_point():
    assert Linear(0, 10, 100, 0)(4) == 60
    assert Linear(5, 5, 100, 0)(5) == 100


@pytest.mark.parametrize(
    ("value", "end"), [(1, 1), (1.2, 2), (3, 4), (5.01, 6), (56, 60), (85, 100), (0, 1), (2000, 2000)]
)
def test_an_axis_ends_at_the_next_round_number(value, end):
    assert ceiling(value) == end


def test_intervals_of_ten_minutes_have_a_column_per_hour():
    found = heat(intervals(datetime(2026, 3, 1, 10, 30, tzinfo=UTC), 144, 10), 10, 9.9)
    assert len(found.squares) == 144
    assert (found.width, found.height) == (48 + 25 * 22, 20 + 6 * 22)
    assert [label.text for label in found.rows] == [":00", ":10", ":20", ":30", ":40", ":50"]
    assert [label.text for label in found.columns] == ["10", "13", "16", "19", "22", "01", "04", "07", "10"]
    first = found.squares[0]  # 10:30: first column, fourth row, the smallest square in the middle of its field
    assert (first.x, first.y, first.side, first.level) == (48 + 11 - 2.5, 20 + 3 * 22 + 11 - 2.5, 5, 0)


def test_intervals_of_an_hour_have_a_row_per_day():
    found = heat(intervals(datetime(2026, 3, 1, 20, tzinfo=UTC), 30, 60), 60, 9.9)
    assert [label.text for label in found.rows] == ["Sun 01", "Mon 02", "Tue 03"]
    assert found.squares[4].y == found.squares[5].y == 20 + 22 + 11 - 2.5
    assert found.squares[4].x == min(square.x for square in found.squares)


def test_an_hour_that_occurs_twice_has_two_columns():
    """Berlin, 25 October 2026: 02:00 to 02:59 summer time, then again winter time."""
    rows = intervals(datetime(2026, 10, 25, 0, 0, tzinfo=UTC), 12, 10, "Europe/Berlin")
    assert rows[0]["start"] == "2026-10-25T02:00:00+02:00"
    assert rows[6]["start"] == "2026-10-25T02:00:00+01:00"
    found = heat(rows, 10, 9.9)
    assert len({(square.x, square.y) for square in found.squares}) == 12


@pytest.mark.parametrize("minutes", [10, 60])
@pytest.mark.parametrize(
    ("zone", "first"),
    [
        ("Europe/London", datetime(2026, 10, 22, tzinfo=UTC)),
        ("America/New_York", datetime(2026, 10, 29, tzinfo=UTC)),
        ("America/St_Johns", datetime(2026, 10, 29, tzinfo=UTC)),
        ("Australia/Lord_Howe", datetime(2026, 4, 1, tzinfo=UTC)),
        ("Europe/London", datetime(2026, 3, 26, tzinfo=UTC)),
        ("Asia/Kathmandu", datetime(2026, 3, 1, tzinfo=UTC)),
    ],
)
def test_every_interval_of_a_week_has_a_square_of_its_own(zone, first, minutes):
    count = 7 * 24 * 60 // minutes
    found = heat(intervals(first, count, minutes, zone), minutes, 9.9)
    assert len({(square.x, square.y) for square in found.squares}) == count
    assert max(square.x for square in found.squares) < found.width
    assert max(square.y for square in found.squares) < found.height


def test_rows_begin_where_intervals_do():
    """Kathmandu is 5:45 ahead of UTC, so its intervals of ten minutes begin at :05."""
    rows = intervals(datetime(2026, 3, 1, tzinfo=UTC), 12, 10, "Asia/Kathmandu")
    assert rows[0]["start"] == "2026-03-01T05:45:00+05:45"
    assert [label.text for label in heat(rows, 10, 9.9).rows] == [":05", ":15", ":25", ":35", ":45", ":55"]


def test_the_second_of_two_equal_hours_stands_beside_the_first():
    found = heat(intervals(datetime(2026, 10, 24, tzinfo=UTC), 48, 60, "Europe/London"), 60, 9.9)
    first, second = found.squares[24], found.squares[25]  # 01:00 summer time, 01:00 winter time
    assert (first.start, second.start) == ("Sun 01:00", "Sun 01:00")
    assert (second.x - first.x, second.y) == (22, first.y)


@pytest.mark.parametrize(
    ("percentage", "level", "side"),
    [
        (None, None, 5),
        (0.0, 0, 5),
        (4.0, 1, round(5 + 14 * sqrt(0.2), 2)),
        (5.0, 2, round(5 + 14 * sqrt(0.25), 2)),
        (10.0, 3, round(5 + 14 * sqrt(0.5), 2)),
        (15.0, 4, round(5 + 14 * sqrt(0.75), 2)),
        (20.0, 5, 19),
        (100.0, 5, 19),
    ],
)
def test_area_and_tone_of_a_square_follow_the_ratio_to_the_expected_share(percentage, level, side):
    rows = intervals(datetime(2026, 3, 1, tzinfo=UTC), 2, 10, percentage=percentage, complete=False)
    square = heat(rows, 10, 10.0).squares[-1]
    assert (square.level, square.side, square.open) == (level, side, True)


def bins(*counts: int) -> list[dict]:
    return [{"from": start, "count": count} for start, count in zip((1, 2, 10, 100), counts, strict=True)]


def law(crash_point: float) -> float:
    return 1.0 if crash_point <= 1 else 0.99 / crash_point


def test_the_share_that_reaches_a_crash_point_counts_all_above_it():
    found = survival(bins(505, 396, 89, 10), 1000, law)
    assert [(point.at, point.count, point.outside) for point in found.points] == [
        (1, 1000, False),
        (2, 495, False),
        (10, 99, False),
        (100, 10, False),
    ]
    assert [tick.text for tick in found.x_ticks] == [
        "1\N{MULTIPLICATION SIGN}",
        "10\N{MULTIPLICATION SIGN}",
        "100\N{MULTIPLICATION SIGN}",
    ]
    assert [tick.text for tick in found.y_ticks] == ["0.1%", "1%", "10%", "100%"]
    assert found.points[0].y == 12


def test_a_share_that_chance_does_not_explain_is_outside():
    found = survival(bins(400, 500, 90, 10), 1000, law)
    assert [point.outside for point in found.points] == [False, True, False, False]


def test_one_game_has_a_distribution():
    [point] = survival(bins(1, 0, 0, 0), 1, law).points
    assert (point.share, point.outside) == (100, False)


def series(start: int, length: int) -> dict:
    return {"start_game": start, "end_game": start + length - 1, "length": length}


def test_a_drought_is_as_wide_and_as_high_as_it_is_long():
    found = skyline([series(161, 40), series(101, 10)], 10.1, ranked=False)
    late, early = found.blocks
    assert (found.first, found.last) == (101, 200)
    assert (early.x, late.x) == (36, 36 + 1240 * 0.6)
    assert (late.width, late.height) == (1240 * 0.4 - 0.5, 166)
    assert (early.width, early.height) == (1240 / 10 - 0.5, 41.5)
    assert found.ticks == [(176, 0), (93, 20), (10, 40)]


def test_ranked_droughts_are_equally_wide():
    found = skyline([series(151, 50), series(101, 10)], 10.1, ranked=True)
    assert [(block.x, block.width) for block in found.blocks] == [(36, 619.5), (656, 619.5)]
    assert skyline([], 10.1, ranked=True) is None


def test_a_deviation_is_in_standard_deviations_and_its_bar_ends_at_three():
    assert z_score(60, 100, 50) == 2
    assert z_score(0, 0, 50) is None
    assert z_score(100, 100, 100) is None
    assert bar(1.5) == (20, 10)
    assert bar(-3.0) == (0, 20)
    assert bar(-9.0) == (0, 20)
    assert bar(None) is None
