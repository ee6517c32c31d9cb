import json

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from analytics import services
from cachecore.stats import stats
from games.rounds import Round
from games.services import record_games
from tests.processes import run_manage


@pytest.fixture(autouse=True)
def _nothing_counted():
    stats.reset()
    yield
    stats.reset()


def row(out: str, family: str) -> list[str]:
    (line,) = [line for line in out.splitlines() if f" {family} " in line]
    return [cell.strip() for cell in line.strip("│ ").split("│")]


def test_a_table_by_family_with_a_total(capsys):
    stats.count("games-list", "hit", 1_200)
    stats.count("games-list", "miss", 400)
    stats.count("games-single", "local_hit", 400)
    stats.record_duration("games-list", "compute", 0.004)
    stats.record_size("games-list", 9_000_000, 2_000_000)
    call_command("cache_stats")
    out = capsys.readouterr().out
    counts = ["0", "0", "400", "0", "0", "0", "0"]  # local, stale, misses, bypass, errors, waits, refused
    assert row(out, "games-list") == ["games-list", "75.00%", "1,200", *counts, "2.0 MB", "<= 5 ms"]
    assert row(out, "total")[:4] == ["total", "80.00%", "1,200", "400"]
    assert "Redis cache: " in out
    assert " 0 evicted, breaker closed." in out


def test_one_family(capsys):
    stats.count("games-list", "hit")
    stats.count("games-single", "hit")
    call_command("cache_stats", "--family", "games-single")
    out = capsys.readouterr().out
    assert row(out, "games-single")[1] == "100.00%"
    assert "games-list" not in out
    assert " total " not in out


def test_a_family_without_counts_is_an_error_in_one_line():
    stats.count("games-list", "hit")
    with pytest.raises(CommandError, match=r"^There are no counts for family games; choose from: games-list\.$"):
        call_command("cache_stats", "--family", "games")


def test_json_is_the_body_of_the_api(capsys):
    stats.count("games-list", "hit")
    stats.count("games-single", "miss")
    call_command("cache_stats", "--json", "--family", "games-list")
    body = json.loads(capsys.readouterr().out)
    assert (body["status"], body["stats"]["hits"], body["stats"]["misses"]) == ("ok", 1, 1)
    assert [family["family"] for family in body["stats"]["families"]] == ["games-list"]


def test_without_redis_it_logs_a_reason_per_role_and_exits_with_one_line(valkey):
    valkey.stop()
    done = run_manage("cache_stats", DJANGO_SETTINGS_MODULE="config.settings.test")
    assert (done.returncode, done.stdout) == (1, "")
    *reasons, error = done.stderr.splitlines()
    assert error == "CommandError: Redis is unavailable (role cache, state)."
    assert len(reasons) == 2
    assert all("is unavailable: ConnectionError: Error 2 connecting to " in reason for reason in reasons)


@pytest.mark.django_db(transaction=True)
def test_a_check_compares_responses_and_prints_the_nines(capsys):
    record_games([Round(game_id=1, crash_hundredths=200)], source="test")
    services.apply_pending()
    call_command("cache_stats", "--check", "4")
    out = capsys.readouterr().out
    assert out.startswith("4 of 4 cached responses equal recomputed ones (at least 0.1 nines), ")


@pytest.mark.django_db(transaction=True)
def test_a_check_that_finds_a_wrong_response_fails(capsys):
    record_games([Round(game_id=1, crash_hundredths=200)], source="test")
    call_command("warm_cache", "games-list")
    with connection.cursor() as cursor:  # sends no signal, so the cache is not invalidated
        cursor.execute("UPDATE games_game SET crash_hundredths = 300")
    with pytest.raises(CommandError, match=r"^Different from the recomputed response: /api/games/"):
        call_command("cache_stats", "--check", "40")


@pytest.mark.django_db(transaction=True)
def test_a_check_with_nothing_to_compare_fails():
    with pytest.raises(
        CommandError, match=r"^No response could be compared: none could be stored, or none could be computed\.$"
    ):
        call_command("cache_stats", "--check", "2")


def test_a_check_of_no_responses_is_rejected():
    with pytest.raises(CommandError, match=r"^--check must be at least 1, for example --check 100\.$"):
        call_command("cache_stats", "--check", "0")
