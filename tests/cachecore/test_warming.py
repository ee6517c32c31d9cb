import re

import pytest
from django.core.management import CommandError, call_command

from analytics.compute.distribution import CHART_EDGES
from analytics.endpoints.distribution import DistributionView, bins_parameter
from analytics.endpoints.intervals import IntervalsView
from analytics.endpoints.series import SeriesView
from analytics.services import apply_pending
from cachecore import tasks, versions
from cachecore.maintenance import warming
from cachecore.redis_client import connections
from cachecore.schedule import last_run
from cachecore.service import cache
from games.keys import GAMES
from games.rounds import Round
from games.services import record_games
from tests.cachecore.test_envelope import family
from web.dashboard.api import call_endpoint

TAGGED = family("warming-seen")

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def a_game():
    record_games([Round(game_id=1, crash_hundredths=200)], source="test")


def test_the_command_reports_how_many_it_warmed_and_how_many_were_warm(a_game, capsys):
    call_command("warm_cache", "games-list")
    assert "Warmed 2 answers" in capsys.readouterr().out
    call_command("warm_cache", "games-list")
    assert "Warmed 0 answers" in (out := capsys.readouterr().out)
    assert "2 were warm already, 0 failed." in out


def test_a_warmed_response_is_a_hit_for_the_next_caller(a_game, client):
    call_command("warm_cache", "games-list")
    assert client.get("/api/games/").headers["X-Cache"] == "HIT"


def test_the_dashboards_first_requests_are_warm(a_game):
    apply_pending()
    call_command("warm_cache", "analytics-series-answer", "analytics-distribution", "analytics-interval")
    panels = [
        call_endpoint(SeriesView, "UTC", min="10", games="1000", sort="time", limit="100"),
        call_endpoint(DistributionView, "UTC", games="10000", bins=bins_parameter(CHART_EDGES)),
        call_endpoint(IntervalsView, "UTC", min="10", hours="24", interval="10"),
    ]
    assert [result.outcome for result in panels] == ["HIT", "HIT", "HIT"]


def test_the_newest_games_that_met_a_condition_are_warm(a_game, client):
    apply_pending()
    call_command("warm_cache", "analytics-last-games")
    assert client.get("/api/analytics/last-games/?min=100").headers["X-Cache"] == "HIT"


def test_a_dry_run_lists_the_urls_and_stores_nothing(a_game, capsys):
    call_command("warm_cache", "games-list", "--dry-run")
    assert capsys.readouterr().out == "/api/games/\n/api/games/?per_page=100\nWould warm 2 answers.\n"
    with connections.guarded_client("cache") as client:
        assert not list(client.scan_iter(match="games:list:*"))


def test_an_unknown_family_is_one_line(a_game):
    with pytest.raises(
        CommandError, match="No warmer for nothing; choose from: analytics-distribution, analytics-interval, "
    ):
        call_command("warm_cache", "nothing")


def test_responses_that_cannot_be_stored_are_reported_as_failed():
    with pytest.raises(CommandError, match=r"Not warmed: /api/games/, /api/games/\?per_page=100"):
        call_command("warm_cache", "games-list")  # no game, no version, nothing to store under


@pytest.mark.parametrize(
    "command",
    ["warm_cache", "warm_cache games-list", "warm_cache --dry-run", "clear_cache --all", "clear_cache --tag games"],
)
def test_without_redis_a_command_fails_with_one_line_and_does_nothing(a_game, valkey, capsys, command):
    valkey.stop()
    with pytest.raises(
        CommandError, match=r"^Redis role '(cache|state)': ConnectionError: .*No such file or directory\.$"
    ):
        call_command(*command.split())
    assert capsys.readouterr() == ("", "")


def test_an_outage_during_the_command_is_reported(a_game, valkey, monkeypatch, capsys):
    def stopping(plan, *args, **kwargs):
        yield plan[0]
        valkey.stop()
        yield from plan[1:]

    monkeypatch.setattr("cachecore.management.commands.warm_cache.track", stopping)
    with pytest.raises(CommandError, match=r"^2 answers are left: Redis role '(cache|state)': ConnectionError: "):
        call_command("warm_cache", "games-list", "analytics-distribution")
    assert re.match(r"Warmed 1 answers in .* s, 0 were warm already, 1 failed\.\n", capsys.readouterr().out)


def test_the_task_records_its_run(a_game):
    tasks.warm()
    assert last_run("warm").result["warmed"] == 2


def test_runs_after_new_versions_are_coalesced_to_one_per_five_seconds():
    assert warming.claim_delay_seconds() == 0.0
    assert warming.claim_delay_seconds() is None  # one is queued
    warming.begin()
    assert 4.0 < warming.claim_delay_seconds() <= 5.0  # for a version raised during the run


def test_clearing_by_tag_makes_every_next_read_a_miss(a_game, client, capsys):
    client.get("/api/games/")
    call_command("clear_cache", "--tag", "games")
    assert "Tag games is at version " in capsys.readouterr().out
    assert client.get("/api/games/").headers["X-Cache"] == "MISS"


def test_clearing_by_family_leaves_other_families(a_game, client, capsys):
    client.get("/api/games/")
    client.get("/api/games/1/")
    call_command("clear_cache", "--family", "games-list", "--dry-run")
    call_command("clear_cache", "--family", "games-list")
    assert capsys.readouterr().out == "Would clear 1 keys of games-list.\nCleared 1 keys of games-list.\n"
    assert client.get("/api/games/").headers["X-Cache"] == "MISS"
    assert client.get("/api/games/1/").headers["X-Cache"] == "HIT"


def test_any_tag_of_cached_values_can_be_cleared(capsys):
    key = TAGGED.key(id=7)
    cache.remember(key, None, lambda: "old", tags=["user:7"])
    call_command("clear_cache", "--tag", "user:7", "--dry-run")
    assert cache.get(key) == "old"
    call_command("clear_cache", "--tag", "user:7")
    assert capsys.readouterr().out == "Tag user:7 would get a new version.\nTag user:7 has a new version.\n"
    assert cache.get(key) is None


def test_an_unused_tag_is_rejected_before_anything_is_cleared(a_game):
    before = versions.current(GAMES)
    with pytest.raises(CommandError, match=r"^No cached value has the tag user:8\.$"):
        call_command("clear_cache", "--tag", "games", "--tag", "user:8")
    assert versions.current(GAMES) == before


def test_clearing_without_a_target_is_rejected():
    with pytest.raises(CommandError, match="Name what to clear: --tag, --family or --all"):
        call_command("clear_cache")


def test_the_state_role_cannot_be_cleared():
    with pytest.raises(CommandError, match="invalid choice: 'analytics-ledger'"):
        call_command("clear_cache", "--family", "analytics-ledger")
