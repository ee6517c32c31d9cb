"""The live view equals a recomputation from the table in every cell, after any sequence of changes."""

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from analytics import services, view_maintenance, view_settings
from analytics.database.game_reads import games_by_id
from analytics.live import pending, rebuild, retention, scripts
from analytics.live.apply_games import apply
from analytics.live.keys import ANALYTICS, EPOCH, LIVE, WRITER
from analytics.live.writer_lock import WriterFenced, writer_lock
from cachecore import versions
from cachecore.clock import now_ms
from cachecore.locks import LOCK
from cachecore.redis_client import connections
from games.models import Game
from tests.analytics import games
from tests.analytics.oracle import expected_cells
from tests.analytics.view_cells import actual_cells

pytestmark = pytest.mark.django_db

NOW_MS = 1_780_745_451_691


@pytest.fixture
def conditions(settings) -> list[str]:
    settings.ANALYTICS_CONDITIONS = ["min:1.01", "min:2", "min:10", "min:1000", "max:1.5", "floor:1", "floor:3"]
    settings.ANALYTICS_LEDGER_GAMES = 10**12  # retention has tests of its own
    settings.ANALYTICS_BUCKET_DAYS = 10**5
    return settings.ANALYTICS_CONDITIONS


def table() -> dict[int, tuple[int, int]]:
    return {
        game.game_id: (game.crash_hundredths, round(game.end_time.timestamp() * 1000) if game.end_time else 0)
        for game in Game.objects.all()
    }


def assert_view_equals_table(conditions: list[str]) -> None:
    with connections.guarded_client("state") as client:
        oldest_bucket, oldest_retained_id = map(int, client.hmget(LIVE.state, "bucket_floor", "floor"))
    assert actual_cells(conditions) == expected_cells(table(), conditions, oldest_bucket, oldest_retained_id)


def test_the_first_run_builds_the_view_from_the_table(conditions):
    games.put_all({5_000_000 + i: (100 + 37 * i, NOW_MS + 20_000 * i) for i in range(300)})
    applied = services.apply_pending()
    assert applied.rebuilt
    assert_view_equals_table(conditions)


def test_an_empty_table_gives_an_empty_view(conditions):
    services.apply_pending()
    assert_view_equals_table(conditions)


IDS = st.integers(1, 30) | st.integers(4090, 4100) | st.sampled_from([9_999_999, 10_000_000])
CRASHES = st.sampled_from([100, 101, 150, 199, 200, 350, 999, 1000, 99_999, 100_000, 2**48 - 1])
TIMES = st.just(0) | st.integers(NOW_MS - 4_000_000, NOW_MS)
GAMES = st.dictionaries(IDS, st.tuples(CRASHES, TIMES), max_size=12)
STEPS = st.lists(
    st.tuples(GAMES, st.lists(IDS, max_size=6), st.lists(IDS, max_size=6)), min_size=1, max_size=5
)  # games to put, ids to remove, ids to mark although they did not change


@given(start=GAMES, steps=STEPS)
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@example(start={1: (200, NOW_MS), 5: (200, NOW_MS)}, steps=[({3: (200, 0)}, [1, 5], [])])
@example(start={4095: (1000, NOW_MS), 4096: (100, 0)}, steps=[({}, [4095], []), ({}, [4096], [4095])])
def test_the_view_equals_the_table_after_any_steps(conditions, start, steps):
    games.remove(*table())
    with connections.guarded_client("state") as client:
        client.flushall()
    games.put_all(start)
    services.apply_pending()
    for put, removed, touched in steps:
        games.put_all(put)
        games.remove(*removed)
        pending.mark([*put, *removed, *touched])
        services.apply_pending()
        assert_view_equals_table(conditions)
    assert pending.size() == 0


LOW, HIGH = 4_096, 12_288  # the first chunks are dropped; ids from HIGH on are retained
RETAINED_IDS = st.integers(HIGH, HIGH + 12)


@given(
    low=st.dictionaries(st.integers(1, LOW), st.tuples(CRASHES, TIMES), max_size=6),
    start=st.dictionaries(RETAINED_IDS, st.tuples(CRASHES, TIMES), min_size=1, max_size=6),
    steps=st.lists(
        st.tuples(
            st.dictionaries(RETAINED_IDS, st.tuples(CRASHES, TIMES), max_size=6), st.lists(RETAINED_IDS, max_size=6)
        ),
        min_size=1,
        max_size=4,
    ),
)
@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@example(low={1: (100_000, NOW_MS)}, start={HIGH: (100_000, NOW_MS)}, steps=[({}, [HIGH])])
@example(low={1: (200, NOW_MS)}, start={HIGH: (200, NOW_MS)}, steps=[({HIGH + 1: (200, NOW_MS)}, [])])
def test_the_view_equals_the_table_with_old_chunks_dropped(conditions, low, start, steps):
    games.remove(*table())
    with connections.guarded_client("state") as client:
        client.flushall()
    games.put_all(low | start)
    services.apply_pending()
    with writer_lock() as writer:
        retention.trim(writer, view_settings.conditions(), HIGH, 0)
    for put, removed in steps:
        games.put_all(put)
        games.remove(*removed)
        pending.mark([*put, *removed])
        services.apply_pending()
        if rebuild.is_rebuild_needed(view_settings.conditions()):  # the removed game was the ledger's last that met one
            services.apply_pending()
        assert_view_equals_table(conditions)


def test_a_batch_larger_than_a_call_is_applied_whole(conditions):
    services.apply_pending()
    games.put_all({i: (100 + i, NOW_MS + i) for i in range(1, 1_201)})
    pending.mark(range(1, 1_201))
    applied = services.apply_pending()
    assert (applied.new, applied.batches) == (1_200, 3)
    assert_view_equals_table(conditions)


def test_repeating_a_batch_changes_no_cell(conditions):
    games.put(1, 200, NOW_MS)
    services.apply_pending()
    before = actual_cells(conditions)
    pending.mark([1])
    assert services.apply_pending().unchanged == 1
    assert actual_cells(conditions) == before
    assert pending.size() == 0


def test_a_change_raises_the_version_and_is_published(conditions):
    services.apply_pending()
    before = versions.current(ANALYTICS)
    with connections.guarded_client("state") as client:
        subscription = client.pubsub(ignore_subscribe_messages=True)
        subscription.subscribe("analytics_updates")
        subscription.get_message(timeout=1)
        games.put(7, 1234, NOW_MS)
        pending.mark([7])
        services.apply_pending()
        after = versions.current(ANALYTICS)
        message = subscription.get_message(timeout=1)
        subscription.close()
    assert after > before
    assert message["data"] == b'{"namespace":"analytics","version":%d,"head":7,"games":1}' % after


def test_an_id_marked_again_after_its_row_was_read_stays_pending(conditions):
    services.apply_pending()
    games.put(1, 200, NOW_MS)
    pending.mark([1])
    with writer_lock() as writer:
        batch = pending.oldest(10)
        rows = games_by_id(batch)
        games.put(1, 300, NOW_MS)  # saved between the read and the script
        pending.mark([1])
        apply(writer, batch, rows, view_settings.conditions())
    assert pending.size() == 1
    services.apply_pending()
    assert_view_equals_table(conditions)


def test_a_stalled_writer_is_fenced_by_a_newer_one(conditions):
    services.apply_pending()
    games.put(1, 200, NOW_MS)
    pending.mark([1])
    with writer_lock() as stalled:
        batch = pending.oldest(10)
        rows = games_by_id(batch)
        with connections.guarded_client("state") as client:
            scripts.take_token(client, [WRITER.key()])  # its lock has expired, and another writer has started
        with pytest.raises(WriterFenced):
            apply(stalled, batch, rows, view_settings.conditions())
    assert pending.size() == 1
    services.apply_pending()
    assert_view_equals_table(conditions)


def test_a_call_whose_reply_was_lost_can_be_repeated(conditions):
    services.apply_pending()
    games.put_all({1: (200, NOW_MS), 2: (1000, NOW_MS)})
    pending.mark([1, 2])
    with writer_lock() as writer:
        batch = pending.oldest(10)
        rows = games_by_id(batch)
        apply(writer, batch, rows, view_settings.conditions())
        repeated = apply(writer, batch, rows, view_settings.conditions())
    assert (repeated.new, repeated.unchanged) == (0, 2)
    assert_view_equals_table(conditions)


def test_a_flushed_redis_gets_a_new_view_with_a_new_epoch_and_a_higher_version(conditions):
    games.put_all({i: (100 * i, NOW_MS) for i in range(1, 20)})
    services.apply_pending()
    with connections.guarded_client("state") as client:
        epoch, version = client.get(EPOCH.key()), versions.current(ANALYTICS)
        client.flushall()
    assert services.apply_pending().rebuilt
    with connections.guarded_client("state") as client:
        assert client.get(EPOCH.key()) != epoch
    assert versions.current(ANALYTICS) > version
    assert_view_equals_table(conditions)


def test_a_stalled_build_cannot_write_into_the_next_one(conditions):
    games.put_all(dict.fromkeys(range(1, 20), (200, NOW_MS)))
    with writer_lock() as stalled:
        with connections.guarded_client("state") as client:
            client.delete(LOCK.key(name="analytics-writer"))  # its lock has expired
        services.apply_pending()  # the next writer builds
        before = actual_cells(conditions)
        games.put(20, 300, NOW_MS)
        with pytest.raises(WriterFenced):
            rebuild.rebuild(
                stalled, games_by_id(range(1, 21)), view_settings.conditions(), oldest_retained_id=0, oldest_bucket=0
            )
    assert actual_cells(conditions) == before


def test_changed_conditions_rebuild_the_view_and_leave_no_key_of_the_old_ones(conditions, settings):
    games.put_all({i: (100 * i, NOW_MS) for i in range(1, 20)})
    services.apply_pending()
    settings.ANALYTICS_CONDITIONS = ["min:7", "floor:3"]
    assert services.apply_pending().rebuilt
    assert_view_equals_table(["min:7", "floor:3"])
    with connections.guarded_client("state") as client:
        assert not client.exists("{analytics}:occurrences:min:10", "{analytics}:intervals:min:10")
        assert not list(client.scan_iter(match="{analytics}:staging:*"))
        assert client.ttl(LIVE.state) == -1  # staged keys no longer expire


def test_a_change_below_the_ledger_requires_a_rebuild(conditions):
    games.put_all(dict.fromkeys((10, 9000, 9001), (200, NOW_MS)))
    services.apply_pending()
    with writer_lock() as writer:
        rebuild.rebuild(
            writer,
            games_by_id([10, 9_000, 9_001]),
            view_settings.conditions(),
            oldest_retained_id=8192,
            oldest_bucket=0,
        )
    games.put(10, 1000, NOW_MS)
    pending.mark([10])
    with writer_lock() as writer:
        applied = apply(writer, pending.oldest(10), games_by_id([10]), view_settings.conditions())
    assert applied.below == 1
    assert rebuild.is_rebuild_needed(view_settings.conditions())
    services.apply_pending()
    assert_view_equals_table(conditions)


@pytest.mark.parametrize("keep_days", [30, 1])
def test_old_buckets_are_dropped_and_the_others_stay(conditions, settings, keep_days):
    now = now_ms()
    ends = [now - day * 86_400_000 - 1_000 for day in (0, 10, 40, 200)]
    games.put_all({number: (200, end_ms) for number, end_ms in enumerate(ends, start=1)})
    services.apply_pending()  # retains everything
    for days in (60, keep_days):
        settings.ANALYTICS_BUCKET_DAYS = days
        view_maintenance.clean_up()
    assert view_maintenance.clean_up().buckets == 0
    with connections.guarded_client("state") as client:
        assert client.hlen("{analytics}:intervals:all") == sum(end > now - keep_days * 86_400_000 for end in ends)
    assert_view_equals_table(conditions)
