import gzip
import json
from datetime import UTC, datetime

import pytest

from games.importing import Counts, FileImport, Options, Report, UnreadableFile
from games.models import Game
from games.services import MAX_JUMP, record_games
from tests.chains import bcgame_rounds, bustabit_rounds, timed

pytestmark = pytest.mark.django_db

NOON = datetime(2023, 1, 5, 12, tzinfo=UTC)


@pytest.fixture
def run(tmp_path):
    """Import lines as a file; return the counts and the rejected lines as (line, reason)."""

    def run(*lines: str, name: str = "rounds.csv", **options):
        path = tmp_path / name
        path.write_text("\n".join(lines))
        with Report(tmp_path / "rejected.jsonl") as report:
            task = FileImport(path, Options(**options), report)
            task.run()
        rejected = [json.loads(line) for line in report.path.read_text().splitlines()] if report.count else []
        return task.counts, [(line["line"], line["reason"]) for line in rejected]

    return run


def csv_of(rounds):
    return ["game_id,hash,crash", *(f"{r.game_id},{r.hash},{r.crash_hundredths / 100:.2f}" for r in rounds)]


def stored():
    return list(Game.objects.order_by("game_id").values_list("game_id", "hash", "crash_hundredths", "verified"))


def test_every_round_of_a_file_is_recorded_and_verified_over_several_batches(run):
    rounds = bcgame_rounds(25)
    assert run(*csv_of(rounds), batch_size=10) == (Counts(read=25, created=25), [])
    assert stored() == [(r.game_id, r.hash, r.crash_hundredths, True) for r in rounds]
    assert set(Game.objects.values_list("source", flat=True)) == {"file rounds.csv"}


def test_a_second_run_changes_nothing(run):
    lines = csv_of(bcgame_rounds(25))
    run(*lines)
    before = list(Game.objects.values())
    assert run(*lines) == (Counts(read=25, unchanged=25), [])
    assert list(Game.objects.values()) == before


def test_json_lines_with_times_in_milliseconds(run):
    rounds = timed(bcgame_rounds(3), NOON)
    lines = [
        json.dumps(
            {
                "gameId": str(r.game_id),
                "hash": r.hash,
                "odds": r.crash_hundredths / 100,
                "crash": r.crash_hundredths,
                "beginTime": int(r.begin_time.timestamp() * 1000),
                "endTime": int(r.end_time.timestamp() * 1000),
                "prepareTime": 0,
            }
        )
        for r in rounds
    ]
    assert run(*lines, name="rounds.jsonl") == (Counts(read=3, created=3), [])
    assert stored() == [(r.game_id, r.hash, r.crash_hundredths, True) for r in rounds]
    game = Game.objects.get(game_id=rounds[-1].game_id)
    assert (game.prepare_time, game.begin_time, game.end_time) == (None, rounds[-1].begin_time, NOON)


def test_a_scraped_file_of_another_site_with_its_defects(run, settings):
    settings.SITE = "bustabit"
    first, second, third = bustabit_rounds(3)

    def scraped(round_, crash=None, date="Wed, 01 Jan 2020 00:00:07 GMT6 months ago"):
        return f'4,"Date:  {date}",Game #{round_.game_id}, {crash or f"{round_.crash_hundredths / 100:,.2f}x"}'

    big = scraped(third, f'"{third.crash_hundredths / 100:,.2f}x"')  # 105,710.05x
    counts, rejected = run(
        "serial,timestamp,gameid,value,,,",
        f"{scraped(second)},,,",
        scraped(first),  # a jump back
        "78,NAN,NAN,NAN",
        "",
        scraped(first),
        f"{scraped(second)}0",
        scraped(first, "9.99x"),
        scraped(third),  # the comma without quotes
        big,
    )
    assert counts == Counts(read=8, created=3, repeated=1, rejected=4)
    assert rejected == [
        (4, "game_id: expected a whole number, got 'NAN'."),
        (7, f"crash_point: expected a number, got '{second.crash_hundredths / 100:.2f}x0'."),
        (8, "Differs from line 3, which was recorded for this game."),
        (9, "Expected 4 columns, got 5."),
    ]
    assert list(
        Game.objects.order_by("game_id").values_list("game_id", "crash_hundredths", "begin_time", "end_time")
    ) == [
        (r.game_id, r.crash_hundredths, datetime(2020, 1, 1, 0, 0, 7, tzinfo=UTC), None) for r in (first, second, third)
    ]
    assert third.crash_hundredths == 10_571_005


def test_a_rejected_line_stops_no_other_and_blank_lines_are_not_lines(run):
    (round_,) = bcgame_rounds(1)
    counts, rejected = run("id,crash,hash", "0,2,", " ", "7,-,", "", f"{round_.game_id},2,{round_.hash[1:]}", "8,1.5,")
    assert counts == Counts(read=4, created=1, rejected=3)
    assert rejected == [
        (2, "game_id: Must be from 1 to 9007199254740991."),
        (4, "crash_point: expected a number, got '-'."),
        (6, "hash: expected 64 hexadecimal digits, got 63"),
    ]
    assert stored() == [(8, None, 150, None)]


def test_a_file_updates_the_values_it_has_and_keeps_the_others(run):
    first, second = timed(bcgame_rounds(2), NOON)
    record_games([first, second], source="test")
    assert run("id,crash", f"{first.game_id},{first.crash_hundredths / 100}", f"{second.game_id},99.99") == (
        Counts(read=2, updated=1, unchanged=1, mismatched=1),
        [],
    )
    assert Game.objects.get(game_id=first.game_id).hash == first.hash
    game = Game.objects.get(game_id=second.game_id)
    assert (game.crash_hundredths, game.verified, game.end_time) == (9999, False, NOON)


@pytest.mark.parametrize("batch_size", [1, 2, 500])
def test_of_two_different_lines_for_one_game_the_first_is_recorded(run, batch_size):
    counts, rejected = run("id,crash", "7,2", "7,2.00", "8,3", "7,2.01", "7,2", batch_size=batch_size)
    assert counts == Counts(read=5, created=2, repeated=2, rejected=1)
    assert rejected == [(5, "Differs from line 2, which was recorded for this game.")]
    assert stored() == [(7, None, 200, None), (8, None, 300, None)]


@pytest.mark.parametrize("batch_size", [1, 500])
def test_a_line_is_recorded_if_the_earlier_one_for_its_game_was_rejected(run, batch_size):
    first, second = bcgame_rounds(2)
    wrong = f"{second.game_id},{first.hash},2"  # the hash of the game before
    assert run(*csv_of([first]), wrong, *csv_of([second])[1:], batch_size=batch_size) == (
        Counts(read=3, created=2, rejected=1),
        [(3, f"hash: Belongs to game {first.game_id}" + ("." if batch_size == 1 else " in the same call."))],
    )
    assert stored() == [(r.game_id, r.hash, r.crash_hundredths, True) for r in (first, second)]


def test_ids_that_jump_ahead_are_rejected_line_by_line_unless_forced(run):
    record_games(bcgame_rounds(1, last=5_899_000), source="test")
    rogue = 5_899_000 + MAX_JUMP + 1
    lines = ["id,crash", "5899001,2", f"{rogue},3", "5899002,4"]
    reason = "game_id: More than 1000000 ahead of the newest game, 5899000. If it is right, use force."
    assert run(*lines) == (Counts(read=3, created=2, rejected=1), [(3, reason)])
    assert not Game.objects.filter(game_id=rogue).exists()
    assert run(*lines, force=True) == (Counts(read=3, created=1, unchanged=2), [])
    assert Game.objects.get(game_id=rogue).crash_hundredths == 300


def test_a_dry_run_counts_what_would_happen_and_writes_nothing(run, django_capture_on_commit_callbacks):
    first, second, third = bcgame_rounds(3)
    record_games([first], source="test")
    before = list(Game.objects.values())
    lines = csv_of([first, second])
    with django_capture_on_commit_callbacks() as announced:
        assert run(*lines, f"{third.game_id},{first.hash},2", batch_size=1, dry_run=True) == (
            Counts(read=3, created=1, unchanged=1, rejected=1),
            [(4, f"hash: Belongs to game {first.game_id}.")],
        )
    assert list(Game.objects.values()) == before
    assert announced == []


def test_games_that_do_not_verify_are_stored_and_counted(run):
    first, second = bcgame_rounds(2)
    lines = csv_of([first, second])
    lines[1] = f"{first.game_id},{first.hash},99.99"
    assert run(*lines) == (Counts(read=2, created=2, mismatched=1), [])
    assert list(Game.objects.filter(verified=False).values_list("game_id", flat=True)) == [first.game_id]


def test_the_lines_before_the_end_of_a_truncated_gzip_are_recorded(tmp_path):
    whole = gzip.compress("\n".join(csv_of(bcgame_rounds(2000))).encode())
    path = tmp_path / "rounds.csv.gz"
    path.write_bytes(whole[: len(whole) // 2])
    task = FileImport(path, Options(), Report(tmp_path / "rejected.jsonl"))
    with pytest.raises(EOFError):
        task.run()
    assert task.counts == Counts(read=task.counts.read, created=task.counts.read)
    assert 500 < task.counts.created == Game.objects.filter(verified=True).count() < 2000


def test_nothing_is_written_of_a_file_without_the_required_columns(tmp_path):
    path = tmp_path / "prices.csv"
    path.write_text("day,price\n1,2\n")
    with pytest.raises(UnreadableFile):
        FileImport(path, Options(), Report(tmp_path / "rejected.jsonl")).run()
    assert not Game.objects.exists()
    assert not (tmp_path / "rejected.jsonl").exists()


def test_a_long_file_name_fits_the_source(run):
    run("id,crash", "7,2", name=f"{'a' * 100}.csv")
    assert Game.objects.get().source == f"file {'a' * 59}"


def test_progress_is_reported_in_bytes_and_ends_at_the_size(tmp_path):
    path = tmp_path / "rounds.csv"
    path.write_text("\n".join(csv_of(bcgame_rounds(25))))
    progress = []
    FileImport(path, Options(batch_size=10), Report(tmp_path / "r")).run(lambda *where: progress.append(where))
    size = path.stat().st_size
    assert [total for _, total in progress] == [size] * 3
    done = [done for done, _ in progress]
    assert done == sorted(done)
    assert done[-1] == size


def test_the_report_names_file_line_reason_and_the_line_cut_to_200(tmp_path):
    path = tmp_path / "rounds.csv"
    path.write_text(f"id,crash\n7,{'9' * 500}\n8,2\n")
    with Report(tmp_path / "rejected.jsonl") as report:
        FileImport(path, Options(), report).run()
    (rejected,) = (json.loads(line) for line in report.path.read_text().splitlines())
    assert rejected["file"] == str(path)
    assert rejected["line"] == 2
    assert rejected["reason"].startswith("crash_point: ")
    assert rejected["text"] == f"7,{'9' * 198}"
    assert stored() == [(8, None, 200, None)]
