"""In a transaction that has written: neither read nor stored; invalidated on commit, not on rollback."""

import gc

import django.db
import pytest
from django.db import transaction

from cachecore.redis_client import connections
from cachecore.redis_client.connections import RedisUnavailable
from cachecore.service import Cache
from cachecore.writes import retry_queue, transactions
from cachecore.writes import retry_queue as backlogs
from tests.cachecore.test_envelope import family

pytestmark = pytest.mark.django_db(transaction=True)

PLAIN = family("transactions-plain")
NEAR = family("transactions-near", local=True)
KEY = PLAIN.key(id=1)


@pytest.fixture
def cache():
    return Cache()


@pytest.fixture
def elsewhere():
    """Another process: nothing of this one's memory, no transaction."""
    return Cache()


def stored():
    with connections.guarded_client("cache") as client:
        return client.exists(KEY) == 1


@pytest.mark.parametrize("kind", [PLAIN, NEAR], ids=["far", "near"])
def test_what_the_transaction_has_changed_is_neither_read_nor_stored_until_it_commits(cache, kind):
    key = kind.key(id=1)
    cache.remember(key, None, lambda: "old", tags=["a"])
    with transaction.atomic():
        cache.invalidate_tag("a")
        assert cache.remember(key, None, lambda: "uncommitted", tags=["a"]) == "uncommitted"
        assert cache.get(key, "default", tags=["a"]) == "default"
        assert cache.get(key, "default") == "default"  # its tags are known from the value
        assert cache.get_many([key]) == {}
        assert cache.set(key, "uncommitted", tags=["a"]) is False
    assert cache.remember(key, None, lambda: "committed", tags=["a"]) == "committed"


def test_others_see_the_old_value_until_the_commit_and_none_after_it(cache, elsewhere):
    cache.remember(KEY, None, lambda: "old", tags=["a"])
    with transaction.atomic():
        cache.invalidate_tag("a")
        with connections.guarded_client("cache") as client:
            assert client.exists(KEY)
        version_before = _version()
    assert _version() != version_before
    assert elsewhere.get(KEY) is None


def _version():
    with connections.guarded_client("cache") as client:
        return client.get("tag:a")


def test_a_rollback_invalidates_nothing_and_leaves_nothing_behind(cache):
    cache.remember(KEY, None, lambda: "old", tags=["a"])
    with transaction.atomic():
        cache.invalidate_tag("a")
        cache.delete(KEY)
        transaction.set_rollback(True)
    assert cache.remember(KEY, None, lambda: "new", tags=["a"]) == "old"
    gc.collect()  # what the tracebacks of earlier tests hold
    assert not transactions.pending_hooks


def test_a_savepoints_rollback_takes_only_its_own_invalidations(cache):
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


def test_what_the_transaction_has_not_changed_is_read_and_stored(cache):
    with transaction.atomic():
        cache.invalidate_tag("other")
        assert cache.remember(KEY, None, lambda: "value", tags=["a"]) == "value"
        assert cache.remember(KEY, None, lambda: "again", tags=["a"]) == "value"
    assert stored()


def test_ten_thousand_invalidations_are_one_callback(cache):
    with transaction.atomic():
        for number in range(10_000):
            cache.invalidate_tag(f"tag-{number}")
        assert len(transaction.get_connection().run_on_commit) == 1


def test_a_hook_that_fails_does_not_keep_the_invalidation_from_others(cache, elsewhere):
    cache.set(KEY, "old", tags=["a"])

    def broker_is_away():
        raise ConnectionRefusedError

    def write():
        with transaction.atomic():
            transaction.on_commit(broker_is_away)
            cache.invalidate_tag("a")

    with pytest.raises(ConnectionRefusedError):
        write()
    assert elsewhere.get(KEY) is None


def test_a_hook_that_reads_finds_what_was_committed(cache):
    cache.set(KEY, "old", tags=["a"])
    read = []
    with transaction.atomic():
        transaction.on_commit(lambda: read.append(cache.get(KEY, "nothing")))
        cache.invalidate_tag("a")
    assert read == ["nothing"]


def test_other_hooks_in_between_make_no_second_callback(cache):
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


def test_a_transaction_of_another_database_is_waited_for_too(cache, elsewhere, other):
    cache.set(KEY, "old", tags=["a"])
    with transaction.atomic(using=other):
        cache.invalidate_tag("a")
        before = _version()
        assert cache.get(KEY) is None
    assert _version() != before
    assert elsewhere.get(KEY) is None


def test_what_another_database_rolls_back_does_not_take_the_defaults_invalidation_with_it(cache, elsewhere, other):
    cache.set(KEY, "old", tags=["a"])
    with transaction.atomic(using=other):
        cache.invalidate_tag("a")  # for a row of the default database, which is committed
        transaction.set_rollback(True, using=other)
    assert elsewhere.get(KEY) is None


def test_a_commit_by_hand_cannot_be_heard_of(cache):
    connection = transaction.get_connection()
    connection.set_autocommit(False)
    try:
        with pytest.raises(transaction.TransactionManagementError, match="Database 'default' has autocommit off"):
            cache.invalidate_tag("a")
    finally:
        connection.set_autocommit(True)


def test_who_names_the_database_waits_for_no_other(cache, other):
    cache.set(KEY, "old", tags=["a"])
    before = _version()
    with transaction.atomic(using=other):
        cache.invalidate_tag("a", using="default")
        assert _version() != before


def test_a_factory_that_writes_is_not_stored(cache):
    with transaction.atomic():

        def factory():
            cache.invalidate_tag("a")
            return "uncommitted"

        assert cache.remember(KEY, None, factory, tags=["a"]) == "uncommitted"
        assert not stored()


def test_deleting_and_writing_through_wait_for_the_commit(cache):
    cache.set(KEY, "old")
    with transaction.atomic():
        assert cache.delete(KEY) == 0
        assert stored()
        assert cache.get(KEY) is None
    assert not stored()
    cache.set(KEY, "old")
    with transaction.atomic():
        assert cache.write_through(KEY, "new", lambda: "saved") == "saved"
        assert stored()
    assert not stored()  # the next reader fills it with what was committed


def test_outside_of_a_transaction_it_is_at_once_and_loud(cache, valkey):
    valkey.stop()
    with pytest.raises(RedisUnavailable):
        cache.invalidate_tag("a")


@pytest.fixture
def nobody_pays(monkeypatch):
    """Unless the test does."""
    monkeypatch.setattr(retry_queue.RetryWorker, "wake", lambda worker: None)


def test_a_commit_while_redis_is_away_is_owed_until_it_is_paid(
    cache, elsewhere, valkey, nobody_pays, monkeypatch, caplog
):
    cache.remember(KEY, None, lambda: "old", tags=["a"])
    circuit = connections.breaker("cache")
    circuit.record_failure()  # away, with its data
    monkeypatch.setattr(circuit, "_open_seconds", 60.0)
    with transaction.atomic():
        cache.invalidate_tag("a")
    assert "A committed change is not invalidated yet and will be retried: Redis role 'cache'" in caplog.text
    assert "not tried, the circuit breaker is open" in caplog.text
    assert cache.stats().pending_invalidations == 1
    assert cache.remember(KEY, None, lambda: "committed", tags=["a"]) == "committed"
    circuit.record_success()  # it is back
    assert elsewhere.get(KEY) == "old"  # the accepted limit: until it is paid
    assert cache.remember(KEY, None, lambda: "committed", tags=["a"]) == "committed"
    assert cache.stats().pending_invalidations == 1  # who reads does not pay
    cache._invalidator.retry()
    assert cache.stats().pending_invalidations == 0
    assert cache.remember(KEY, None, lambda: "committed", tags=["a"]) == "committed"
    assert elsewhere.get(KEY) == "committed"


def test_what_is_owed_is_bounded(cache, monkeypatch):
    monkeypatch.setattr(backlogs, "MAX_NAMES", 10)
    cache.set(KEY, "old", tags=["unrelated"])
    cache._invalidator.retry_queue.add((), [f"tag-{number}" for number in range(11)])
    assert len(cache._invalidator.retry_queue) == 1
    assert cache._invalidator.must_bypass(KEY, ())
    cache._invalidator.retry()  # everything of ours is gone
    assert len(cache._invalidator.retry_queue) == 0
    assert not stored()


def test_a_debt_made_while_another_is_paid_stays():
    backlog = backlogs.RetryQueue()
    backlog.add((), ["a"])
    debt = backlog.batch()
    backlog.add((), ["a"])
    backlog.acknowledge(debt)
    assert backlog.contains("k", ["a"])
