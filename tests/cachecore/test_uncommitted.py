"""What a transaction has not committed, or sees of an earlier moment, is stored for nobody."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.contrib.auth.models import Group
from django.db import connection, connections, transaction
from django.test import TestCase

from cachecore.read_through.effects import drive
from cachecore.service import Cache
from cachecore.writes import transactions
from tests.cachecore.test_envelope import family

PLAIN = family("uncommitted-plain")
NEAR = family("uncommitted-near", local=True)
OTHER = family("uncommitted-other", local=True)
KEY = PLAIN.key(id=1)


@pytest.fixture
def cache():
    return Cache()


@pytest.fixture
def elsewhere():
    """Another process: nothing of this one's memory, no transaction."""
    return Cache()


@pytest.fixture
def one_moment():
    """Transactions of this test see one moment: SQLite's DEFERRED, PostgreSQL's REPEATABLE READ."""
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


def names():
    return list(Group.objects.order_by("name").values_list("name", flat=True))


def in_a_thread(job):
    def done():
        try:
            return job()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(done).result(10)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("kind", [PLAIN, NEAR], ids=["far", "near"])
def test_what_was_written_and_rolled_back_was_stored_for_nobody(cache, elsewhere, kind):
    key = kind.key(id=1)
    with transaction.atomic():
        Group.objects.create(name="never was")
        assert cache.remember(key, None, names, tags=["groups"]) == ["never was"]
        cache.invalidate_tag("groups")
        transaction.set_rollback(True)
    assert elsewhere.get(key, "nothing") == "nothing"
    assert cache.remember(key, None, names, tags=["groups"]) == []


@pytest.mark.django_db(transaction=True)
def test_what_was_stored_before_is_read_by_who_writes_something_else(cache):
    cache.set(KEY, "stored")
    with transaction.atomic():
        Group.objects.create(name="new")
        assert cache.remember(KEY, None, lambda: "computed") == "stored"


@pytest.mark.django_db(transaction=True)
def test_a_factory_that_writes_in_the_callers_transaction_is_not_stored(cache, elsewhere):
    def created():
        return Group.objects.create(name="never was").name

    with transaction.atomic():
        assert cache.remember(KEY, None, created) == "never was"
        assert elsewhere.get(KEY) is None
        transaction.set_rollback(True)


@pytest.mark.django_db(transaction=True)
def test_a_factory_that_commits_its_own_transaction_is_stored(cache, elsewhere):
    def created():
        with transaction.atomic():
            return Group.objects.create(name="is").name

    assert cache.remember(KEY, None, created) == "is"
    assert elsewhere.get(KEY) == "is"


@pytest.mark.django_db(transaction=True)
def test_who_joins_is_not_answered_with_what_another_has_not_committed(cache):
    """A thread asked before, and joins while a transaction's factory writes: it computes for itself."""
    ask = cache.reader.request(KEY, None, lambda: "committed")
    with ThreadPoolExecutor(1) as pool, transaction.atomic():
        joining = []

        def factory():
            joining.append(pool.submit(drive, cache.reader.remember(ask), cache._driver))
            while not cache._flights._by_key[KEY].future._condition._waiters:
                pass
            Group.objects.create(name="not yet")
            return "uncommitted"

        assert cache.remember(KEY, None, factory) == "uncommitted"
        assert joining[0].result(10) == "committed"
        transaction.set_rollback(True)


@pytest.mark.django_db(transaction=True)
def test_after_a_savepoints_rollback_nothing_is_written_any_more(cache, elsewhere):
    with transaction.atomic():
        with transaction.atomic():
            Group.objects.create(name="never was")
            assert cache.remember(KEY, None, names) == ["never was"]
            transaction.set_rollback(True)
        assert not transactions.has_uncommitted_writes()
    with transaction.atomic():
        Group.objects.create(name="is")
        with transaction.atomic():
            transaction.set_rollback(True)
        assert transactions.has_uncommitted_writes()
    assert not transactions.has_uncommitted_writes()
    assert elsewhere.get(KEY) is None


@pytest.mark.django_db(transaction=True)
def test_set_waits_for_the_commit(cache, elsewhere):
    cache.set(KEY, "old", tags=["a"])
    with transaction.atomic():
        assert cache.set(KEY, "first", tags=["a"]) is False
        assert cache.set_many({KEY: "new"}, tags=["a"]) == 0
        assert in_a_thread(lambda: elsewhere.get(KEY)) == "old"
        assert cache.get(KEY, "nobody knows yet") == "nobody knows yet"
        assert cache.remember(KEY, None, lambda: "computed", tags=["a"]) == "computed"
    assert (cache.get(KEY), elsewhere.get(KEY)) == ("new", "new")


@pytest.mark.django_db(transaction=True)
def test_what_was_set_and_rolled_back_was_never_stored(cache, elsewhere):
    cache.set(KEY, "old")
    with transaction.atomic():
        cache.set(KEY, "never was")
        transaction.set_rollback(True)
    assert (cache.get(KEY), elsewhere.get(KEY)) == ("old", "old")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("inner", [False, True], ids=["same-savepoint", "inner-savepoint"])
@pytest.mark.parametrize("how", ["tag", "key"])
def test_what_was_set_and_then_invalidated_is_not_stored_on_commit(cache, elsewhere, how, inner):
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
    assert (cache.get(KEY), elsewhere.get(KEY)) == (None, None)


@pytest.mark.django_db(transaction=True)
def test_of_two_savepoints_that_set_a_key_the_first_never_wins(cache, elsewhere):
    cache.set(KEY, "old")
    with transaction.atomic():
        cache.set(KEY, "first")
        with transaction.atomic():
            cache.set(KEY, "second")
    assert elsewhere.get(KEY) in (None, "second")


@pytest.mark.django_db(transaction=True)
def test_what_sees_an_earlier_moment_stores_nothing(cache, elsewhere, one_moment):
    """The reader began before the writer committed; what it computes is older than the tag's new version."""

    def rename():
        Group.objects.create(name="new")
        elsewhere.invalidate_tag("groups")

    with transaction.atomic():
        assert names() == []  # what it sees is fixed from here on
        in_a_thread(rename)
        assert cache.remember(KEY, None, names, tags=["groups"]) == []
    assert elsewhere.remember(KEY, None, names, tags=["groups"]) == ["new"]


@pytest.mark.django_db(transaction=True)
def test_what_it_computes_with_its_first_statement_is_stored(cache, elsewhere, one_moment):
    """Its moment is fixed after the tags' versions were read."""
    with transaction.atomic():
        assert cache.remember(KEY, None, names, tags=["groups"]) == []
    assert elsewhere.get(KEY) == []


@pytest.mark.django_db(transaction=True)
def test_another_threads_transaction_switches_no_memory_off(cache, monkeypatch):
    """Only what the thread's own transaction has changed is not served from memory."""
    cache.remember(NEAR.key(id=1), None, lambda: "value", tags=["a"])
    cache.remember(OTHER.key(id=1), None, lambda: "other", tags=["b"])
    with transaction.atomic():
        cache.invalidate_tag("a")
        reader = cache.reader
        assert reader.read_local(OTHER.key(id=1), ("b",)).value == "other"
        assert reader.read_local(NEAR.key(id=1), ("a",)) is None
        assert in_a_thread(lambda: reader.read_local(NEAR.key(id=1), ("a",)).value) == "value"


class WithinATestCase(TestCase):
    def test_the_transaction_of_a_test_counts_as_none(self):
        cache = Cache()
        Group.objects.create(name="is")
        assert cache.remember(KEY, None, names) == ["is"]
        assert cache.remember(KEY, None, lambda: "again") == ["is"]
        assert cache.set(KEY, "set") is True
