"""The way of a game from its save to the view: marked pending, one task enqueued, applied; and what finds lost ones."""

from itertools import pairwise

import pytest

from analytics import services, sources, tasks, view_maintenance, view_settings, view_writes
from analytics.live import pending, reader, series
from cachecore.locks import lock
from cachecore.redis_client import connections
from cachecore.schedule import last_run
from games.models import Game
from games.rounds import Round
from games.services import record_games
from tests.analytics import games
from tests.analytics.connection_faults import Fault, inject, intercepted

pytestmark = pytest.mark.django_db(transaction=True)


def rounds(*ids: int, crash: int = 200) -> list[Round]:
    return [Round(game_id=game_id, crash_hundredths=crash) for game_id in ids]


def messages() -> int:
    """Return the number of queued tasks; no worker runs in these tests."""
    with connections.guarded_client("state") as client:
        return client.llen("celery")


def test_a_saved_game_is_marked_pending_and_one_task_is_enqueued():
    record_games(rounds(1), source="test")
    assert (pending.size(), messages()) == (1, 1)


def test_many_saves_enqueue_one_task():
    for start in range(1, 101, 10):
        record_games(rounds(*range(start, start + 10)), source="test")
    Game.objects.create(game_id=500, crash_hundredths=100, source="test")
    assert (pending.size(), messages()) == (101, 1)


def test_saves_after_the_task_started_enqueue_the_next_one():
    record_games(rounds(1), source="test")
    tasks.apply_pending()
    record_games(rounds(2), source="test")
    assert messages() >= 2
    assert tasks.apply_pending()["new"] == 1


def test_a_deleted_game_leaves_the_view():
    record_games(rounds(1, 2), source="test")
    tasks.apply_pending()
    Game.objects.filter(game_id=2).delete()
    assert tasks.apply_pending()["removed"] == 1
    assert reader.view_state().newest == 1


def test_while_another_writer_is_at_work_nothing_is_lost():
    record_games(rounds(1), source="test")
    with lock("analytics-writer", 10):
        assert services.apply_pending() is None
    assert pending.size() == 1


def test_runs_that_find_a_writer_at_work_enqueue_no_others():
    record_games(rounds(1), source="test")
    with lock("analytics-writer", 10):
        for game_id in range(2, 12):
            assert services.apply_pending() is None
            record_games(rounds(game_id), source="test")
    assert messages() == 1


def test_a_game_saved_while_a_writer_ends_enqueues_the_next(monkeypatch):
    services.apply_pending()
    record_games(rounds(1), source="test")
    oldest = pending.oldest

    def save_after_the_last_read(count: int) -> dict[int, int]:
        found = oldest(count)
        if not found and not Game.objects.filter(game_id=2).exists():
            set_wakeup_marker()
            record_games(rounds(2), source="test")  # finds the marker and therefore enqueues no task
        return found

    monkeypatch.setattr(pending, "oldest", save_after_the_last_read)
    before = messages()
    assert services.apply_pending().new == 1  # game 2 was saved after its last read
    assert (pending.size(), messages()) == (1, before + 1)


def set_wakeup_marker() -> None:
    """Set the marker of an earlier save whose task was taken by a run that found this writer at work."""
    with connections.guarded_client("state") as client:
        client.set("{analytics}:woken", 1, ex=2)


def test_a_new_version_requests_one_warming_run():
    record_games(rounds(1), source="test")
    tasks.apply_pending()
    before = messages()
    record_games(rounds(2), source="test")
    tasks.apply_pending()
    with connections.guarded_client("state") as client:
        names = [message for message in client.lrange("celery", 0, -1) if b"cachecore.tasks.warm" in message]
    assert len(names) == 1
    assert messages() >= before


def test_reconcile_finds_what_was_never_marked():
    record_games(rounds(*range(1, 11)), source="test")
    tasks.apply_pending()
    games.put(11, 300)  # inserted without a signal
    games.put(3, 999)  # corrected without a signal
    games.remove(5)
    assert tasks.reconcile_newest() == {"chunks": 1, "marked": 3}
    applied = tasks.apply_pending()
    assert (applied["new"], applied["corrected"], applied["removed"]) == (1, 1, 1)
    assert tasks.reconcile_all() == {"chunks": 1, "marked": 0, "cells": 0}
    assert last_run("reconcile-newest").result == {"chunks": 1, "marked": 3}


def test_games_saved_while_redis_was_down_are_applied_with_the_next_one():
    record_games(rounds(1, 2), source="test")
    tasks.apply_pending()
    for game_id in (3, 5, 6):
        games.put(game_id)  # not marked pending
    record_games(rounds(9), source="test")
    assert tasks.apply_pending()["new"] == 4
    assert reader.view_state().games == 6
    assert series.missing(view_settings.conditions()) == []  # they came in order


def test_pending_games_are_not_marked_again(monkeypatch):
    monkeypatch.setattr(view_writes, "BATCH_GAMES", 10)
    record_games(rounds(1, 2), source="test")
    tasks.apply_pending()
    record_games(rounds(*range(31, 41)), source="test")
    record_games(rounds(*range(3, 30)), source="test")
    games.put(30)  # not marked pending
    marked, mark = [], pending.mark
    monkeypatch.setattr(pending, "mark", lambda ids: (marked.append(ids), mark(ids)))
    assert tasks.apply_pending()["new"] == 38
    assert marked == [[30]]


@pytest.mark.parametrize("message", range(1, 8))
def test_games_marked_and_applied_during_reconcile_are_no_drift(message):
    record_games(rounds(1), source="test")
    tasks.apply_pending()
    games.put(2)

    def mark_and_apply() -> None:
        pending.mark([2])
        services.apply_pending()

    with intercepted(), inject(Fault(message, meanwhile=mark_and_apply)):
        assert view_maintenance.reconcile(view_maintenance.chunks_likely_to_differ()) == {"chunks": 1, "marked": 0}
    assert reader.view_state().games == 2


def test_reconcile_checks_the_newest_two_chunks_and_daily_all():
    record_games(rounds(1, 5_000, 9_000), source="test")
    tasks.apply_pending()
    games.put(1, 999)  # as many games as before
    assert tasks.reconcile_newest() == {"chunks": 2, "marked": 0}
    assert tasks.reconcile_all() == {"chunks": 3, "marked": 1, "cells": 0}


def test_games_added_or_deleted_without_a_signal_are_found_within_a_minute_in_any_chunk():
    record_games(rounds(1, 5_000, 9_000, 13_000, 17_000), source="test")
    tasks.apply_pending()
    games.put(2)
    games.remove(5_000, 17_000)  # the second was the newest, and alone in its chunk
    assert tasks.reconcile_newest() == {"chunks": 5, "marked": 3}
    applied = tasks.apply_pending()
    assert (applied["new"], applied["removed"]) == (1, 2)
    assert reader.view_state().newest == 13_000


def test_games_below_the_ledger_cause_no_check_of_their_chunks(settings):
    settings.ANALYTICS_LEDGER_GAMES = 100
    record_games(rounds(1, 5_000, 9_000, 13_000), source="test")
    tasks.apply_pending()
    tasks.clean_up()
    games.put(2)
    assert tasks.reconcile_newest() == {"chunks": 1, "marked": 0}


@pytest.mark.parametrize(("seconds", "builds"), [(3600, 0), (0, 3)])
def test_a_backfill_below_the_ledger_rebuilds_the_view_at_most_once_per_interval(settings, seconds, builds):
    settings.ANALYTICS_LEDGER_GAMES, settings.ANALYTICS_REBUILD_EVERY_SECONDS = 100, seconds
    record_games(rounds(1, 5_000, 9_000, 13_000), source="test")
    tasks.apply_pending()
    tasks.clean_up()
    built = 0
    for game_id in (2, 3, 4):
        record_games(rounds(game_id), source="test")
        built += tasks.apply_pending()["rebuilt"]
        coverage = sources.all_occurrences(view_settings.conditions())[1]
        assert coverage.games == game_id + 3  # from the table until the view is rebuilt
    assert built == builds
    assert view_maintenance.find_drift() == []
    assert reader.view_state().games == 7


def test_pending_games_are_no_drift():
    record_games(rounds(1), source="test")
    tasks.apply_pending()
    record_games(rounds(2), source="test")
    assert tasks.reconcile_newest() == {"chunks": 1, "marked": 0}


def test_the_daily_run_repairs_a_wrong_count():
    record_games(rounds(1, 2, 3), source="test")
    tasks.apply_pending()
    with connections.guarded_client("state") as client:
        client.hincrby("{analytics}:occurrences:min:2", "count", 5)
    assert tasks.reconcile_all()["cells"] == 1
    assert tasks.reconcile_all()["cells"] == 0


def test_ids_that_lie_far_apart_are_reconciled_as_well():
    record_games(rounds(1, 2**53 - 1), source="test", force=True)
    tasks.apply_pending()
    assert tasks.reconcile_all() == {
        "chunks": 1,
        "marked": 0,
        "cells": 0,
    }  # retention has dropped the first chunk
    assert tasks.reconcile_newest() == {"chunks": 1, "marked": 0}
    assert reader.view_state().newest == 2**53 - 1


@pytest.mark.parametrize("fault", ["stop", "pause"])
def test_a_hundred_saves_without_redis_succeed_and_the_view_recovers(valkey, fault):
    record_games(rounds(1), source="test")
    tasks.apply_pending()
    getattr(valkey, fault)()
    for game_id in range(2, 102):
        record_games(rounds(game_id), source="test")
    assert Game.objects.count() == 101
    {"stop": valkey.start, "pause": valkey.resume}[fault]()
    recover()
    assert reader.view_state().games == 101
    assert tasks.reconcile_all()["marked"] == 0


def recover() -> None:
    """Do what beat does once the breakers have closed."""
    for circuit in (connections.breaker("state"), connections.breaker("cache")):
        circuit.record_success()
    tasks.apply_pending()
    tasks.reconcile_newest()
    tasks.apply_pending()


def test_expired_buckets_and_old_chunks_are_dropped(settings):
    record_games(rounds(1, 5_000, 9_000), source="test")
    games.put(9_001, 200, 1_500_000_000_000)
    pending.mark([9_001])
    tasks.apply_pending()
    settings.ANALYTICS_LEDGER_GAMES = 100
    assert tasks.clean_up() == {"chunks": 2, "buckets": 0}
    assert reader.view_state().oldest_retained_id == 8_192
    assert set(reader.index()) == {2}
    assert reader.view_state().games == 4  # all-time counts stay


def test_versions_of_a_burst_rise_at_most_ten_times_a_second(settings):
    settings.ANALYTICS_VERSION_EVERY_MS = 100
    raised = []
    for game_id in range(1, 5):
        record_games(rounds(game_id), source="test")
        tasks.apply_pending()
        raised.append(reader.view_state().version)
    assert all(later - earlier >= 100 for earlier, later in pairwise(raised))
