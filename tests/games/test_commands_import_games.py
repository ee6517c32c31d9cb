import json
import re
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from games.models import Game
from games.services import MAX_JUMP
from tests.chains import bcgame_rounds

pytestmark = pytest.mark.django_db


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(path, *lines):
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(lines))
    return str(path)


def genuine(path, n=3):
    rows = (f"{r.game_id},{r.hash},{r.crash_hundredths / 100}" for r in bcgame_rounds(n))
    return write(path, "game_id,hash,crash", *rows)


def run(*arguments, **options):
    """Return what the command prints, without the seconds, and its warnings."""
    out, err = StringIO(), StringIO()
    call_command("import_games", *arguments, stdout=out, stderr=err, **options)
    return re.sub(r"in \d+\.\d s", "in T s", out.getvalue()).splitlines(), err.getvalue().splitlines()


def test_the_last_line_counts(here):
    path = genuine(here / "a.csv")
    assert run(path) == (
        ["a.csv: 3 read, 3 created, 0 updated, 0 unchanged, 0 repeated, 0 rejected in T s."],
        [],
    )
    assert run(path)[0] == ["a.csv: 3 read, 0 created, 0 updated, 3 unchanged, 0 repeated, 0 rejected in T s."]
    assert list(here.iterdir()) == [here / "a.csv"]


def test_several_files_have_a_total(here):
    out, _ = run(genuine(here / "a.csv"), genuine(here / "b.csv", n=5))
    assert out == [
        "a.csv: 3 read, 3 created, 0 updated, 0 unchanged, 0 repeated, 0 rejected in T s.",
        "b.csv: 5 read, 2 created, 0 updated, 3 unchanged, 0 repeated, 0 rejected in T s.",
        "Total: 8 read, 5 created, 0 updated, 3 unchanged, 0 repeated, 0 rejected in T s.",
    ]


def test_a_dry_run_says_so_and_records_nothing(here):
    out, _ = run(genuine(here / "a.csv"), dry_run=True)
    assert out == [
        "a.csv: 3 read, 3 created, 0 updated, 0 unchanged, 0 repeated, 0 rejected in T s. "
        "Dry run: no game was recorded."
    ]
    assert not Game.objects.exists()


def test_rejected_lines_are_in_a_report_beside_you(here):
    path = write(here / "in" / "a.csv", "id,crash,shoe", "7,2,left", "8,NAN,right")
    assert run(path) == (
        ["a.csv: 2 read, 1 created, 0 updated, 0 unchanged, 0 repeated, 1 rejected in T s."],
        ["a.csv: ignored columns: shoe.", "a.csv: 1 rejected lines were written to rejected-a.csv.jsonl."],
    )
    assert json.loads((here / "rejected-a.csv.jsonl").read_text()) == {
        "file": path,
        "line": 3,
        "reason": "crash_point: expected a number, got 'NAN'.",
        "text": "8,NAN,right",
    }


def reported(path):
    return [json.loads(line)["file"] for line in path.read_text().splitlines()]


def test_one_report_may_hold_all_files_and_each_run_overwrites_it(here):
    first = write(here / "a.csv", "id,crash", "7,2", "8,-")
    second = write(here / "b.csv", "id,crash", "9,2", "10,-")
    for _ in range(2):
        run(first, second, report=here / "all.jsonl")
    assert reported(here / "all.jsonl") == [first, second]


def test_files_of_one_name_share_their_report(here):
    first = write(here / "x" / "a.csv", "id,crash", "7,2", "8,-")
    second = write(here / "y" / "a.csv", "id,crash", "9,2", "10,-")
    run(first, second)
    assert reported(here / "rejected-a.csv.jsonl") == [first, second]


def test_games_that_do_not_verify_are_reported(here):
    (round_,) = bcgame_rounds(1)
    path = write(here / "a.csv", "id,hash,crash", f"{round_.game_id},{round_.hash},99.99")
    assert run(path)[1] == [
        "a.csv: 1 games have a hash that does not give their crash point. They are recorded and flagged. "
        "Check that they are games of bcgame (SITE)."
    ]


def test_force_allows_a_jump(here):
    run(genuine(here / "a.csv"))
    rogue = 5_900_000 + MAX_JUMP + 1
    path = write(here / "b.csv", "id,crash", f"{rogue},2")
    with pytest.raises(CommandError, match=r"^b\.csv: no line of the file could be read\.$"):
        run(path)
    run(path, force=True)
    assert Game.objects.filter(game_id=rogue).exists()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "a.csv: The file is empty."),
        (b"day,price\n1,2", "a.csv: It has no column for game_id and crash_point; its first line is 'day,price'."),
        (b"id,crash\n0,2", "a.csv: no line of the file could be read."),
        (b"id,crash\n", "a.csv: no line of the file could be read."),
        (b"\x1f\x8b\x08\x00cut", "a.csv: Compressed file ended before the end-of-stream marker was reached"),
        (b"\x1f\x8b\x07\x00another method", "a.csv: Unknown compression method"),
    ],
)
def test_a_file_of_which_nothing_can_be_read_fails(here, content, reason):
    (here / "a.csv").write_bytes(content)
    with pytest.raises(CommandError) as error:
        run("a.csv")
    assert str(error.value) == reason
    assert not Game.objects.exists()


def test_a_missing_file_fails_after_the_others_are_recorded(here):
    with pytest.raises(CommandError, match=r"^missing\.csv: No such file or directory$"):
        run("missing.csv", genuine(here / "a.csv"))
    assert Game.objects.count() == 3


def test_a_folder_fails_in_one_line(here):
    with pytest.raises(CommandError, match=r"Is a directory$"):
        run(str(here))


@pytest.mark.parametrize("size", [0, -1, 10_001])
def test_the_batch_size_is_limited(here, size):
    with pytest.raises(CommandError, match=r"^--batch-size must be from 1 to 10000\.$"):
        run(genuine(here / "a.csv"), batch_size=size)


def test_a_report_never_overwrites_what_is_imported(here):
    path = genuine(here / "a.csv")
    before = (here / "a.csv").read_text()
    with pytest.raises(CommandError, match=r"^--report must not be one of the files to import\.$"):
        run(path, report=here / "x" / ".." / "a.csv")
    assert (here / "a.csv").read_text() == before


def test_a_report_that_cannot_be_written_stops_the_import_in_one_line(here):
    path = write(here / "a.csv", "id,crash", "7,2", "8,-", "9,3")
    with pytest.raises(CommandError) as error:
        run(path, report=here)
    assert str(error.value) == f"a.csv: The report {here} cannot be written: Is a directory."
    assert list(Game.objects.values_list("game_id", flat=True)) == [7]
