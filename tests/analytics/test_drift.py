import pytest
from django.core.management import CommandError, call_command

from analytics import services
from analytics.live import pending
from cachecore.locks import lock
from cachecore.redis_client import connections
from tests.analytics import games

pytestmark = pytest.mark.django_db

NOW_MS = 1_780_745_451_691


@pytest.fixture(autouse=True)
def view(settings):
    settings.ANALYTICS_CONDITIONS = ["min:2", "floor:1"]
    settings.ANALYTICS_BUCKET_DAYS = 10**5
    games.put_all({i: (100 + i, NOW_MS + 60_000 * i) for i in range(1, 300)})
    services.apply_pending()


def test_a_correct_view_has_no_drift(capsys):
    call_command("check_drift")
    assert capsys.readouterr().out == "No drift: every cell of the live view agrees with the games table.\n"


def test_pending_games_are_applied_first_and_are_no_drift():
    games.put(300, 500, NOW_MS)
    pending.mark([300])
    call_command("check_drift")


@pytest.mark.parametrize(
    ("command", "output"),
    [
        (
            ["HINCRBY", "{analytics}:occurrences:min:2", "count", 1],
            "{analytics}:occurrences:min:2 count: 201, should be 200",
        ),
        (
            ["HSET", "{analytics}:intervals:all", "bucket_600", 1],
            "{analytics}:intervals:all bucket_600: 1, should be None",
        ),
        (["HDEL", "{analytics}:state", "head"], "{analytics}:state head: None, should be 299"),
        (
            ["HSET", "{analytics}:chunks", 0, "299 1 0 9999999999999"],
            "{analytics}:chunks 0: 299 1, should be 299 299",
        ),
        (
            ["SETRANGE", "{analytics}:ledger:0", 12 * 5, b"\0" * 12],
            "{analytics}:ledger:0 5: None, should be (105, 1780745751691)",
        ),
    ],
)
def test_a_changed_cell_is_reported_and_the_command_fails(capsys, command, output):
    with connections.guarded_client("state") as client:
        client.execute_command(*command)
    message = "Cells of the live view that differ from the games table: 1. Run `rebuild_aggregates` to repair them."
    with pytest.raises(CommandError, match=f"^{message}$"):
        call_command("check_drift")
    assert capsys.readouterr().out == f"{output}\n"
    call_command("rebuild_aggregates")
    assert "Built the view from 299 games in " in capsys.readouterr().out
    call_command("check_drift")


@pytest.mark.parametrize("name", ["check_drift", "rebuild_aggregates"])
def test_another_writer_at_work_is_reported_in_one_line(name):
    with lock("analytics-writer", 10), pytest.raises(CommandError, match="Another writer is at work"):
        call_command(name, "--wait", "0.1")


@pytest.mark.parametrize("name", ["check_drift", "rebuild_aggregates", "apply_pending"])
def test_a_missing_redis_is_reported_in_one_line(name, valkey):
    valkey.stop()
    with pytest.raises(CommandError, match="Redis role 'state'"):
        call_command(name)
