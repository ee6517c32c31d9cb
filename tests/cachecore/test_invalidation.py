"""Model -> tags: what a save, a deletion and a changed relation make cold, on commit."""

import json
from contextlib import nullcontext

import pytest
from django.contrib.auth.models import Group, User
from django.db import transaction
from django.test.utils import isolate_apps

from cachecore.invalidation import ModelTags, declared
from cachecore.redis_client import connections
from cachecore.service import Cache
from cachecore.storage import redis_writes
from tests.cachecore.test_envelope import family
from tests.cachecore.test_service import elsewhere

pytestmark = pytest.mark.django_db(transaction=True)

PLAIN = family("invalidation-plain")
CACHE = Cache()


def tags_of(user):
    """The object, the list, and the groups it stands in: the cascade."""
    return [f"user:{user.pk}", "users", f"named:{user.last_name}", *(f"group:{g.pk}" for g in user.groups.all())]


@pytest.fixture
def users():
    cached = ModelTags(User, read=lambda pk: [f"user:{pk}"], purge=tags_of, purge_old_row=True, cache=CACHE)
    yield cached
    cached.disconnect()


@pytest.fixture
def cold(users):
    """Which of these tags' values have become cold since the last question."""
    names = ["users", "user:1", "user:2", "group:1", "group:2", "named:Old", "named:New"]

    def asked():
        found = CACHE.get_many(PLAIN.key(id=name) for name in names)
        for name in names:
            CACHE.set(PLAIN.key(id=name), name, tags=[name])
        return {name for name in names if PLAIN.key(id=name) not in found}

    return asked


def test_a_save_purges_the_object_and_its_lists(users, cold):
    user = User.objects.create(pk=1, username="one")
    cold()
    user.email = "one@example.com"
    user.save()
    assert cold() == {"users", "user:1"}


def test_a_read_names_the_tags_of_what_it_shows(users):
    user = User.objects.create(pk=1, username="one")

    def shown():
        return CACHE.remember(PLAIN.key(id="shown"), None, lambda: User.objects.get(pk=1).username, tags=users.tags(1))

    assert shown() == "one"
    user.username = "renamed"
    user.save()
    assert shown() == "renamed"


@pytest.mark.parametrize("within", [nullcontext, transaction.atomic], ids=["autocommit", "a transaction of its own"])
def test_what_is_written_through_outlives_the_purges_of_its_own_save(users, cold, within):
    key, user = PLAIN.key(id="written"), User.objects.create(pk=1, username="one")

    def save():
        with within():
            user.save()

    cold()
    CACHE.write_through(key, "one", save, tags=["user:1", "users"])
    assert (CACHE.get(key), cold()) == ("one", {"users", "user:1"})  # all else under its tags went cold
    user.save()
    assert CACHE.get(key) is None


@pytest.mark.parametrize("when", ["before", "after"])
def test_what_is_written_through_does_not_outlive_the_purge_of_another_writer(users, when):
    key, user, other = PLAIN.key(id="written"), User.objects.create(pk=1, username="one"), Cache()

    def save():
        if when == "after":
            user.save()
        elsewhere(lambda: other.invalidate_tag("user:1"))
        if when == "before":
            user.save()

    CACHE.write_through(key, "one", save, tags=["user:1", "users"])
    assert CACHE.get(key) is None


def test_an_object_that_moves_purges_the_list_it_left(users, cold):
    user = User.objects.create(pk=1, username="one", last_name="Old")
    cold()
    user.last_name = "New"
    user.save()
    assert cold() == {"users", "user:1", "named:Old", "named:New"}


def test_a_deletion_purges_what_it_stood_in(users, cold):
    user = User.objects.create(pk=1, username="one")
    user.groups.add(Group.objects.create(pk=1, name="first"))
    cold()
    user.delete()
    assert cold() == {"users", "user:1", "group:1"}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda user, group: user.groups.add(2), {"users", "user:1", "group:1", "group:2"}),
        (lambda user, group: user.groups.remove(1), {"users", "user:1", "group:1"}),
        (lambda user, group: user.groups.clear(), {"users", "user:1", "group:1"}),
        (lambda user, group: user.groups.set([2]), {"users", "user:1", "group:1", "group:2"}),
        (lambda user, group: group.user_set.remove(user), {"users", "user:1", "group:1"}),
        (lambda user, group: group.user_set.clear(), {"users", "user:1", "group:1"}),
        (lambda user, group: group.user_set.add(2), {"users", "user:2", "group:1"}),
    ],
    ids=["add", "remove", "clear", "set", "reverse remove", "reverse clear", "reverse add"],
)
def test_a_changed_relation_purges_both_ends_as_they_were_and_are(users, cold, change, expected):
    user, _ = User.objects.create(pk=1, username="one"), User.objects.create(pk=2, username="two")
    group, _ = Group.objects.create(pk=1, name="first"), Group.objects.create(pk=2, name="second")
    user.groups.add(group)
    cold()
    change(user, group)
    assert cold() == expected


def test_it_happens_on_commit_and_not_on_rollback(users, cold):
    user = User.objects.create(pk=1, username="one")
    cold()
    with transaction.atomic():
        user.save()
        with connections.guarded_client("cache") as client:
            before = client.get("tag:users")
    with connections.guarded_client("cache") as client:
        assert client.get("tag:users") != before
    cold()
    with transaction.atomic():
        user.save()
        transaction.set_rollback(True)
    assert cold() == set()


def test_a_write_without_signals_is_purged_by_hand(users, cold):
    user = User.objects.create(pk=1, username="one")
    cold()
    User.objects.filter(pk=1).update(email="x@example.com")
    assert cold() == set()
    users.purge_now(user)
    assert cold() == {"users", "user:1"}


def test_it_is_told_on_the_channel(users):
    with connections.guarded_client("cache") as client:
        listener = client.pubsub(ignore_subscribe_messages=True)
        listener.subscribe(redis_writes.CHANNEL)
        listener.get_message(timeout=1)
        User.objects.create(pk=1, username="one", last_name="New")
        message = listener.get_message(timeout=1)
        listener.close()
    assert json.loads(message["data"]) == {"keys": [], "tags": ["named:New", "user:1", "users"]}


def test_a_save_does_not_fail_with_redis_in_a_transaction(users, valkey):
    valkey.stop()
    with transaction.atomic():
        User.objects.create(pk=1, username="one")
    assert User.objects.filter(pk=1).exists()
    CACHE.reset()


def test_a_save_does_not_fail_with_redis_outside_of_one_either(users, valkey, caplog):
    valkey.stop()
    User.objects.create(pk=1, username="one")
    assert User.objects.filter(pk=1).exists()
    message = "A written row is not invalidated yet and will be retried: Redis role 'cache': ConnectionError"
    assert message in caplog.text
    CACHE.reset()


class Person(User):
    """Prepared before the declaration."""

    class Meta:
        app_label = "auth"
        proxy = True


def test_a_save_and_a_deletion_through_a_proxy_purge(users, cold):
    User.objects.create(pk=1, username="one")
    cold()
    person = Person.objects.get(pk=1)
    person.save()
    assert cold() == {"users", "user:1"}
    person.delete()
    assert cold() == {"users", "user:1"}


@isolate_apps("django.contrib.auth")
def test_a_proxy_that_is_defined_later_purges_too(users, cold):
    class Late(User):
        class Meta:
            app_label = "auth"
            proxy = True

    User.objects.create(pk=1, username="one")
    cold()
    Late.objects.get(pk=1).save()
    assert cold() == {"users", "user:1"}


def test_what_is_undeclared_purges_nothing(users, cold):
    users.disconnect()
    cold()
    User.objects.create(pk=1, username="one")
    assert cold() == set()
    assert User not in declared
