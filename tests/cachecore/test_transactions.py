"""Open transactions: invalidation on commit, not on rollback; and no uncommitted or outdated value is stored."""

import gc
from concurrent.futures import ThreadPoolExecutor

import django.db
import pytest
from django.contrib.auth.models import Group
from django.db import connection, transaction
from django.test import TestCase

from cachecore.read_through.effects import drive
from cachecore.redis_client import connections
from cachecore.redis_client.connections import RedisUnavailable
from cachecore.service import Cache
from cachecore.writes import retry_queue, transactions
from tests.cachecore.test_envelope import family

pytestmark = pytest.mark.django_db(transaction=True)

PLAIN = family("transactions-plain")
LOCAL = family("transactions-local", local=True)
OTHER = family("transactions-other", local=True)
KEY = PLAIN.key(id=1)


def is_stored():
    with connections.guarded_client("cache") as client:
        return client.exists(KEY) == 1


@pytest.mark.parametrize("kind", [PLAIN, LOCAL], ids=["remote", "local"])
def test_what_a_transaction_has_invalidated_is_neither_read_nor_stored_until_it_commits(cache, kind):
    key = kind.key(id=1)
    cache.remember(key, None, lambda: "old", tags=["a"])
    with transaction.atomic():
        cache.invalidate_tag("a")
        assert cache.remember(key, None, lambda: "uncommitted", tags=["a"]) == "uncommitted"
        assert cache.get(key, "default", tags=["a"]) == "default"
        assert cache.get(key, "default") == "default"  # its tags are read with the value
        assert cache.get_many([key]) == {}
        assert cache.set(key, "uncommitted", tags=["a"]) is False
    assert cache.remember(key, None, lambda: "committed", tags=["a"]) == "committed"


def test_other_processes_see_the_old_value_until_the_commit(cache, other_process):
    cache.remember(KEY, None, lambda: "old", tags=["a"])
    with transaction.atomic():
        cache.invalidate_tag("a")
        with connections.guarded_client("cache") as client:
            assert client.exists(KEY)
        version_before = _version()
    assert _version() != version_before
    assert other_process.get(KEY) is None


def _version():
    with connections.guarded_client("cache") as client:
        return client.get("tag:a")


def test_a_rollback_invalidates_nothing_and_leaves_no_hook(cache):
    cache.remember(KEY, None, lambda: "old", tags=["a"])
    with transaction.atomic():
        cache.invalidate_tag("a")
        cache.delete(KEY)
        transaction.set_rollback(True)
    assert cache.remember(KEY, None, lambda: "new", tags=["a"]) == "old"
    gc.collect()  # hooks that tracebacks of earlier tests refer to
    assert not transactions.pending_hooks


def test_a_rollback_to_a_savepoint_drops_only_its_own_invalidations(cache):
    cache.set_many({KEY: "one"}, tags=["outer"])
    cache.set_many({PLAIN.key(id=2): "two"}, tags=["inner"])
    with transaction.atomic():
        cache.invalidate_tag("outer")
        with transaction.atomic():
            cache.invalidate_tag("inner")
            assert cache.get(PLAIN.key(id=2)) is None
            transaction.set_rollback(True)
        assert cache.get(PLAIN.key(id=2)) == "two"
        assert cache.get(KEY) is None
    assert (cache.get(KEY), cache.get(PLAIN.key(id=2))) == (None, "two")


def test_what_a_transaction_has_not_invalidated_is_read_and_stored(cache):
    with transaction.atomic():
        cache.invalidate_tag("other")
        assert cache.remember(KEY, None, lambda: "value", tags=["a"]) == "value"
        assert cache.remember(KEY, None, lambda: "again", tags=["a"]) == "value"
    assert is_stored()


def test_ten_thousand_invalidations_are_one_callback(cache):
    with transaction.atomic():
        for number in range(10_000):
            cache.invalidate_tag(f"tag-{number}")
        assert len(transaction.get_connection().run_on_commit) == 1


def test_a_failing_hook_does_not_prevent_the_invalidation(cache, other_process):
    cache.set(KEY, "old", tags=["a"])

    def fail():
        raise ConnectionRefusedError

    def write():
        with transaction.atomic():
            transaction.on_commit(fail)
            cache.invalidate_tag("a")

    with pytest.raises(ConnectionRefusedError):
        write()
    assert other_process.get(KEY) is None


def test_a_hook_that_reads_misses_the_old_value(cache):
    cache.set(KEY, "old", tags=["a"])
    read = []
    with transaction.atomic():
        transaction.on_commit(lambda: read.append(cache.get(KEY, "nothing")))
        cache.invalidate_tag("a")
    assert read == ["nothing"]


def test_other_hooks_in_between_cause_no_second_callback(cache):
    with transaction.atomic():
        for number in range(3):
            cache.invalidate_tag(f"tag-{number}")
            transaction.on_commit(list)
        assert len(transaction.get_connection().run_on_commit) == 1 + 3


@pytest.fixture
def other():
    """The alias of a second connection to the database."""
    databases = django.db.connections
    databases.settings["other"] = databases.settings["default"]
    databases["other"] = databases.create_connection("default")
    yield "other"
    databases["other"].close()
    del databases["other"], databases.settings["other"]


def test_an_invalidation_waits_for_a_transaction_of_another_database_too(cache, other_process, other):
    cache.set(KEY, "old", tags=["a"])
    with transaction.atomic(using=other):
        cache.invalidate_tag("a")
        before = _version()
        assert cache.get(KEY) is None
    assert _version() != before
    assert other_process.get(KEY) is None


def test_a_rollback_of_another_database_does_not_drop_the_defaults_invalidation(cache, other_process, other):
    cache.set(KEY, "old", tags=["a"])
    with transaction.atomic(using=other):
        cache.invalidate_tag("a")  # for a row of the default database, which is committed
        transaction.set_rollback(True, using=other)
    assert other_process.get(KEY) is None


def test_invalidating_with_autocommit_off_raises(cache):
    connection = transaction.get_connection()
    connection.set_autocommit(False)
    try:
        with pytest.raises(transaction.TransactionManagementError, match="Database 'default' has autocommit off"):
            cache.invalidate_tag("a")
    finally:
        connection.set_autocommit(True)


def test_an_invalidation_for_one_database_waits_for_no_other(cache, other):
    cache.set(KEY, "old", tags=["a"])
    before = _version()
    with transaction.atomic(using=other):
        cache.invalidate_tag("a", using="default")
        assert _version() != before


def test_the_value_of_a_factory_that_invalidates_is_not_stored(cache):
    with transaction.atomic():

        def factory():
            cache.invalidate_tag("a")
            return "uncommitted"

        assert cache.remember(KEY, None, factory, tags=["a"]) == "uncommitted"
        assert not is_stored()


def test_deleting_and_writing_through_wait_for_the_commit(cache):
    cache.set(KEY, "old")
    with transaction.atomic():
        assert cache.delete(KEY) == 0
        assert is_stored()
        assert cache.get(KEY) is None
    assert not is_stored()
    cache.set(KEY, "old")
    with transaction.atomic():
        assert cache.write_through(KEY, "new", lambda: "saved") == "saved"
        assert is_stored()
    assert not is_stored()  # the next reader stores the committed value


def test_outside_of_a_transaction_a_failed_invalidation_raises(cache, valkey):
    valkey.stop()
    with pytest.raises(RedisUnavailable):
        cache.invalidate_tag("a")


@pytest.fixture
def no_retries(monkeypatch):
    """Only the test itself retries."""
    monkeypatch.setattr(retry_queue.RetryWorker, "wake", lambda worker: None)


def test_an_invalidation_that_fails_on_commit_is_retried(cache, other_process, valkey, no_retries, monkeypatch, caplog):
    cache.remember(KEY, None, lambda: "old", tags=["a"])
    circuit = connections.breaker("cache")
    circuit.record_failure()  # unavailable, with its data
    monkeypatch.setattr(circuit, "_open_seconds", 60.0)
    with transaction.atomic():
        cache.invalidate_tag("a")
    assert "A committed change is not invalidated yet and will be retried: Redis role 'cache'" in caplog.text
    assert "not tried, the circuit breaker is open" in caplog.text
    assert cache.stats().pending_invalidations == 1
    assert cache.remember(KEY, None, lambda: "committed", tags=["a"]) == "committed"
    circuit.record_success()  # Redis is back
    assert other_process.get(KEY) == "old"  # accepted until the retry succeeds
    assert cache.remember(KEY, None, lambda: "committed", tags=["a"]) == "committed"
    assert cache.stats().pending_invalidations == 1  # reads do not retry
    cache._invalidator.retry()
    assert cache.stats().pending_invalidations == 0
    assert cache.remember(KEY, None, lambda: "committed", tags=["a"]) == "committed"
    assert other_process.get(KEY) == "committed"


# What has written, or reads an old snapshot, stores nothing


@pytest.fixture
def one_snapshot():
    """Let transactions of this test read one snapshot: SQLite's DEFERRED, PostgreSQL's REPEATABLE READ."""
    if connection.vendor == "sqlite":
        connection.ensure_connection()
        mode, connection.transaction_mode = connection.transaction_mode, "DEFERRED"
        yield
        connection.transaction_mode = mode
        return
    from django.db.backends.postgresql.psycopg_any import IsolationLevel

    options = connection.settings_dict["OPTIONS"]
    connection.close()
    options["isolation_level"] = IsolationLevel.REPEATABLE_READ
    yield
    connection.close()
    del options["isolation_level"]


def group_names():
    return list(Group.objects.order_by("name").values_list("name", flat=True))


def in_a_thread(job):
    def run():
        try:
            return job()
        finally:
            django.db.connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(run).result(10)


@pytest.mark.parametrize("kind", [PLAIN, LOCAL], ids=["remote", "local"])
def test_a_value_of_rolled_back_rows_is_never_stored(cache, other_process, kind):
    key = kind.key(id=1)
    with transaction.atomic():
        Group.objects.create(name="rolled back")
        assert cache.remember(key, None, group_names, tags=["groups"]) == ["rolled back"]
        cache.invalidate_tag("groups")
        transaction.set_rollback(True)
    assert other_process.get(key, "nothing") == "nothing"
    assert cache.remember(key, None, group_names, tags=["groups"]) == []


def test_a_stored_value_is_read_in_a_transaction_that_writes_something_else(cache):
    cache.set(KEY, "stored")
    with transaction.atomic():
        Group.objects.create(name="new")
        assert cache.remember(KEY, None, lambda: "computed") == "stored"


def test_the_value_of_a_factory_that_writes_in_the_callers_transaction_is_not_stored(cache, other_process):
    def create():
        return Group.objects.create(name="rolled back").name

    with transaction.atomic():
        assert cache.remember(KEY, None, create) == "rolled back"
        assert other_process.get(KEY) is None
        transaction.set_rollback(True)


def test_the_value_of_a_factory_that_commits_its_own_transaction_is_stored(cache, other_process):
    def create():
        with transaction.atomic():
            return Group.objects.create(name="committed").name

    assert cache.remember(KEY, None, create) == "committed"
    assert other_process.get(KEY) == "committed"


def test_a_caller_that_joins_a_flight_gets_no_uncommitted_value(cache):
    """A thread joins while the factory of a transaction writes: the thread computes for itself."""
    read = cache.reader.request(KEY, None, lambda: "committed")
    with ThreadPoolExecutor(1) as pool, transaction.atomic():
        joining = []

        def factory():
            joining.append(pool.submit(drive, cache.reader.remember(read), cache._driver))
            while not cache._flights._by_key[KEY].future._condition._waiters:
                pass
            Group.objects.create(name="uncommitted")
            return "uncommitted"

        assert cache.remember(KEY, None, factory) == "uncommitted"
        assert joining[0].result(10) == "committed"
        transaction.set_rollback(True)


def test_after_a_rollback_to_a_savepoint_nothing_counts_as_written(cache, other_process):
    with transaction.atomic():
        with transaction.atomic():
            Group.objects.create(name="rolled back")
            assert cache.remember(KEY, None, group_names) == ["rolled back"]
            transaction.set_rollback(True)
        assert not transactions.has_uncommitted_writes()
    with transaction.atomic():
        Group.objects.create(name="committed")
        with transaction.atomic():
            transaction.set_rollback(True)
        assert transactions.has_uncommitted_writes()
    assert not transactions.has_uncommitted_writes()
    assert other_process.get(KEY) is None


def test_a_set_value_is_stored_on_commit(cache, other_process):
    cache.set(KEY, "old", tags=["a"])
    with transaction.atomic():
        assert cache.set(KEY, "first", tags=["a"]) is False
        assert cache.set_many({KEY: "new"}, tags=["a"]) == 0
        assert in_a_thread(lambda: other_process.get(KEY)) == "old"
        assert cache.get(KEY, "default") == "default"
        assert cache.remember(KEY, None, lambda: "computed", tags=["a"]) == "computed"
    assert (cache.get(KEY), other_process.get(KEY)) == ("new", "new")


def test_a_set_value_is_not_stored_after_a_rollback(cache, other_process):
    cache.set(KEY, "old")
    with transaction.atomic():
        cache.set(KEY, "rolled back")
        transaction.set_rollback(True)
    assert (cache.get(KEY), other_process.get(KEY)) == ("old", "old")


@pytest.mark.parametrize("inner", [False, True], ids=["same-savepoint", "inner-savepoint"])
@pytest.mark.parametrize("how", ["tag", "key"])
def test_a_set_value_that_was_invalidated_is_not_stored_on_commit(cache, other_process, how, inner):
    def invalidate():
        cache.invalidate_tag("a") if how == "tag" else cache.delete(KEY)

    cache.set(KEY, "old")
    with transaction.atomic():
        cache.set(KEY, "new", tags=["a"])
        if inner:
            with transaction.atomic():
                invalidate()
        else:
            invalidate()
        assert cache.set(KEY, "newer", tags=["a"]) is False
    assert (cache.get(KEY), other_process.get(KEY)) == (None, None)


def test_of_two_savepoints_that_set_a_key_the_first_one_is_never_stored(cache, other_process):
    cache.set(KEY, "old")
    with transaction.atomic():
        cache.set(KEY, "first")
        with transaction.atomic():
            cache.set(KEY, "second")
    assert other_process.get(KEY) in (None, "second")


def test_a_value_of_an_old_snapshot_is_not_stored(cache, other_process, one_snapshot):
    """The reader's snapshot is older than the writer's commit, and its value older than the tag's new version."""

    def rename():
        Group.objects.create(name="new")
        other_process.invalidate_tag("groups")

    with transaction.atomic():
        assert group_names() == []  # fixes the snapshot
        in_a_thread(rename)
        assert cache.remember(KEY, None, group_names, tags=["groups"]) == []
    assert other_process.remember(KEY, None, group_names, tags=["groups"]) == ["new"]


def test_a_value_computed_by_the_first_statement_is_stored(cache, other_process, one_snapshot):
    """Its snapshot is newer than the tag versions, which were read before."""
    with transaction.atomic():
        assert cache.remember(KEY, None, group_names, tags=["groups"]) == []
    assert other_process.get(KEY) == []


def test_a_transaction_does_not_affect_the_local_cache_of_other_threads(cache):
    """This thread bypasses only what its own transaction has invalidated."""
    cache.remember(LOCAL.key(id=1), None, lambda: "value", tags=["a"])
    cache.remember(OTHER.key(id=1), None, lambda: "other", tags=["b"])
    with transaction.atomic():
        cache.invalidate_tag("a")
        reader = cache.reader
        assert reader.read_local(OTHER.key(id=1), ("b",)).value == "other"
        assert reader.read_local(LOCAL.key(id=1), ("a",)) is None
        assert in_a_thread(lambda: reader.read_local(LOCAL.key(id=1), ("a",)).value) == "value"


class WithinATestCase(TestCase):
    def test_the_transaction_of_a_test_case_is_ignored(self):
        cache = Cache()
        Group.objects.create(name="committed")
        assert cache.remember(KEY, None, group_names) == ["committed"]
        assert cache.remember(KEY, None, lambda: "again") == ["committed"]
        assert cache.set(KEY, "set") is True
