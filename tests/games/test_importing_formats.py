import pytest

from games.importing import BadLine, UnreadableFile
from games.importing.columns import match_columns
from games.importing.delimited import DelimitedFormat
from games.importing.formats import detect_format
from games.importing.jsonlines import JsonLinesFormat
from games.importing.scraper import ScraperFormat

SCRAPED = '0,"Date:  Wed, 01 Jan 2020 00:00:07 GMT6 months ago",Game #2699754, 2x'


@pytest.mark.parametrize(
    ("names", "fields"),
    [
        (["game_id", "hash", "crash"], {"game_id": "game_id", "hash": "hash", "crash_point": "crash"}),
        (["gameId", "bust"], {"game_id": "gameId", "crash_point": "bust"}),
        (["Game ID", "Crash Point"], {"game_id": "Game ID", "crash_point": "Crash Point"}),
        (["gameid", "value"], {"game_id": "gameid", "crash_point": "value"}),
        (
            ["game_id", "hash_from_chain", "bust_recorded", "time_recorded"],
            {
                "game_id": "game_id",
                "hash": "hash_from_chain",
                "crash_point": "bust_recorded",
                "begin_time": "time_recorded",
            },
        ),
        (
            ["prepareTime", "begin_time", "endTime"],
            {"prepare_time": "prepareTime", "begin_time": "begin_time", "end_time": "endTime"},
        ),
        (["serial", "price"], {}),
    ],
)
def test_columns_are_matched_by_the_names_that_sources_use(names, fields):
    assert match_columns(names) == fields


def test_of_two_names_for_one_field_the_one_that_is_never_something_else_wins():
    assert match_columns(["id", "game_id"])["game_id"] == "game_id"
    assert match_columns(["crash", "odds"])["crash_point"] == "odds"  # BC.Game: crash 663, odds 6.63


@pytest.mark.parametrize(
    ("first", "kind"),
    [("game_id,crash", DelimitedFormat), ('{"game_id": 1, "bust": 2}', JsonLinesFormat), (SCRAPED, ScraperFormat)],
)
def test_the_first_lines_decide_the_format(first, kind):
    assert type(detect_format([first])) is kind


def test_a_scraped_file_may_begin_with_lines_of_nothing():
    shape = detect_format(["0,NAN,NAN,NAN", SCRAPED])
    assert (type(shape), shape.has_header) == (ScraperFormat, False)


@pytest.mark.parametrize(
    ("sample", "reason"),
    [
        ([], "The file is empty."),
        (['[{"id": 1}]'], "It is one JSON array. Expected JSON lines, with one object per line."),
        (
            ["serial,price"],
            "It has no column for game_id and crash_point; its first line is 'serial,price'.",
        ),
        (["game_id,hash"], "It has no column for crash_point; its first line is 'game_id,hash'."),
        (["game_id,crash_point\r\n".encode("utf-16").decode("utf-8", "replace")], "It is not UTF-8."),
        (['"open'], "Its first line is not a header: Not comma-separated values: unexpected end of data."),
        (['{"a": 1}'], "Its first lines have no key for game_id and crash_point; the first is '{\"a\": 1}'."),
        (["{broken"], "Its first lines have no key for game_id and crash_point; the first is '{broken'."),
    ],
)
def test_a_file_in_no_known_format_is_rejected(sample, reason):
    with pytest.raises(UnreadableFile) as error:
        detect_format(sample)
    assert str(error.value) == reason


def test_delimited_columns_are_matched_by_name_and_unknown_ones_are_listed():
    shape = DelimitedFormat("salt_block, crash ,game_id")
    assert shape.values('758160,"1,234.56",5') == {"game_id": "5", "crash_point": "1,234.56"}
    assert shape.values('758160, "1,234.56", 5,,') == {"game_id": "5", "crash_point": "1,234.56"}
    assert shape.ignored == ["salt_block"]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (",,", "Every column is empty."),
        ("5,1,234.56,abc", "Expected 3 columns, got 4."),  # as 1 it would be a wrong crash point
        ("5,12", "Expected 3 columns, got 2."),  # cut: the crash point may have been 127.5
        ('5,"2,abc', "Not comma-separated values: unexpected end of data."),
    ],
)
def test_a_line_with_ambiguous_columns_is_rejected(line, reason):
    with pytest.raises(BadLine) as error:
        DelimitedFormat("game_id,crash,hash").values(line)
    assert str(error.value) == reason


def test_json_numbers_stay_the_text_they_are_written_as():
    shape = JsonLinesFormat(['{"id": 1, "bust": 2}'])
    line = '{"gameId": 5900000, "crash": 2814749767106.55, "hash": null, "salt": {"block": 1}}'
    assert shape.values(line) == {"game_id": "5900000", "crash_point": "2814749767106.55", "hash": ""}
    assert shape.ignored == ["salt"]


def test_json_lines_may_differ_in_their_keys_and_only_some_unknown_ones_are_listed():
    shape = JsonLinesFormat(['{"id": 1, "bust": 2}'])
    for number in range(1000):
        assert shape.values(f'{{"id": {number}, "x{number}": 1}}') == {"game_id": str(number)}
    assert shape.ignored == [f"x{number}" for number in range(20)]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "Not JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)."),
        ("[1]", "Expected a JSON object."),
        ("2", "Expected a JSON object."),
    ],
)
def test_a_line_that_is_no_json_object_is_rejected(line, reason):
    with pytest.raises(BadLine) as error:
        JsonLinesFormat(['{"id": 1, "bust": 2}']).values(line)
    assert str(error.value) == reason


@pytest.mark.parametrize(
    "line",
    [
        SCRAPED,
        f"{SCRAPED},,,",
        ',"DATE: Wed, 01 Jan 2020 00:00:07 GMT6 months ago",Game #2699754,2x',
        '7,"Date: Wed, 01 Jan 2020 00:00:07 GMT",Game #2699754,"2x"',
    ],
)
def test_a_scraped_date_is_the_start_of_the_round(line):
    assert ScraperFormat(has_header=False).values(line) == {
        "game_id": "Game #2699754",
        "crash_point": "2x",
        "begin_time": "2020-01-01T00:00:07+00:00",
    }


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (",,,,,,", "Every column is empty."),
        (f"{SCRAPED}0,{SCRAPED[2:]}", "Expected 4 columns, got 7."),  # two rows run together
        (SCRAPED.replace("2x", "1,234.56x"), "Expected 4 columns, got 5."),
        (f"{SCRAPED}0,NAN,NAN,NAN", "Expected 4 columns, got 7."),
        (
            SCRAPED.replace("01 Jan", "32 Jan"),
            "begin_time: expected a date such as 'Wed, 01 Jan 2020 00:00:07 GMT', "
            "got 'Date:  Wed, 32 Jan 2020 00:00:07 GMT6 mo…'.",
        ),
        (
            "0,6 months ago,Game #5,2x",
            "begin_time: expected a date such as 'Wed, 01 Jan 2020 00:00:07 GMT', got '6 months ago'.",
        ),
    ],
)
def test_a_broken_scraped_line_is_rejected(line, reason):
    with pytest.raises(BadLine) as error:
        ScraperFormat(has_header=False).values(line)
    assert str(error.value) == reason


def test_a_line_of_nan_leaves_its_reason_to_the_game_id():
    assert ScraperFormat(has_header=False).values("78,NAN,NAN,NAN")["game_id"] == "NAN"


@pytest.mark.parametrize(
    ("sample", "has_header"), [(["serial,timestamp,gameid,value,,,", SCRAPED], True), ([SCRAPED], False)]
)
def test_a_scraped_file_is_recognised_with_and_without_its_header(sample, has_header):
    shape = ScraperFormat.recognise(sample)
    assert shape is not None
    assert shape.has_header is has_header
