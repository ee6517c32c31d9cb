"""ModelTags: what a save, a deletion and a changed relation invalidate, on commit."""

import json
from contextlib import nullcontext

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, User
from django.core.management import call_command
from django.core.serializers import deserialize
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext, isolate_apps

from cachecore.invalidation import ModelTags, declared
from cachecore.redis_client import connections
from cachecore.service import Cache
from cachecore.storage import redis_writes
from tests.cachecore.test_envelope import family
from tests.cachecore.test_service import in_other_thread

pytestmark = pytest.mark.django_db(transaction=True)

PLAIN = family("invalidation-plain")
CACHE = Cache()


def tags_of(user):
    """Return the tags of the user, the list, and the groups that contain the user."""
    return [f"user:{user.pk}", "users", f"named:{user.last_name}", *(f"group:{g.pk}" for g in user.groups.all())]


@pytest.fixture
def users():
    model_tags = ModelTags(User, read=lambda pk: [f"user:{pk}"], purge=tags_of, purge_old_row=True, cache=CACHE)
    yield model_tags
    model_tags.disconnect()


@pytest.fixture
def invalidated(users):
    """A function that returns the tags whose values have been invalidated since its last call."""
    names = ["users", "user:1", "user:2", "group:1", "group:2", "named:Old", "named:New"]

    def since_last_call():
        found = CACHE.get_many(PLAIN.key(id=name) for name in names)
        for name in names:
            CACHE.set(PLAIN.key(id=name), name, tags=[name])
        return {name for name in names if PLAIN.key(id=name) not in found}

    return since_last_call


def test_a_save_invalidates_the_object_and_its_lists(users, invalidated):
    user = User.objects.create(pk=1, username="one")
    invalidated()
    user.email = "one@example.com"
    user.save()
    assert invalidated() == {"users", "user:1"}


def test_a_value_under_the_tags_of_an_object_is_computed_again_after_a_save(users):
    user = User.objects.create(pk=1, username="one")

    def shown():
        return CACHE.remember(PLAIN.key(id="shown"), None, lambda: User.objects.get(pk=1).username, tags=users.tags(1))

    assert shown() == "one"
    user.username = "renamed"
    user.save()
    assert shown() == "renamed"


@pytest.mark.parametrize("within", [nullcontext, transaction.atomic], ids=["autocommit", "a transaction of its own"])
def test_a_write_through_value_survives_the_invalidation_by_its_own_save(users, invalidated, within):
    key, user = PLAIN.key(id="written"), User.objects.create(pk=1, username="one")

    def save():
        with within():
            user.save()

    invalidated()
    CACHE.write_through(key, "one", save, tags=["user:1", "users"])
    assert CACHE.get(key) == "one"
    assert invalidated() == {"users", "user:1"}  # the other values under its tags
    user.save()
    assert CACHE.get(key) is None


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_write_through_value_does_not_survive_an_invalidation_by_another_writer(users, when):
    key, user, other = PLAIN.key(id="written"), User.objects.create(pk=1, username="one"), Cache()

    def save():
        if when == "after":
            user.save()
        in_other_thread(lambda: other.invalidate_tag("user:1"))
        if when == "before":
            user.save()

    CACHE.write_through(key, "one", save, tags=["user:1", "users"])
    assert CACHE.get(key) is None


def test_a_save_that_moves_an_object_invalidates_its_old_list_too(users, invalidated):
    user = User.objects.create(pk=1, username="one", last_name="Old")
    invalidated()
    user.last_name = "New"
    user.save()
    assert invalidated() == {"users", "user:1", "named:Old", "named:New"}


def test_a_deletion_invalidates_the_lists_that_contained_the_object(users, invalidated):
    user = User.objects.create(pk=1, username="one")
    user.groups.add(Group.objects.create(pk=1, name="first"))
    invalidated()
    user.delete()
    assert invalidated() == {"users", "user:1", "group:1"}


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
def test_a_changed_relation_invalidates_the_objects_related_before_and_after(users, invalidated, change, expected):
    user, _ = User.objects.create(pk=1, username="one"), User.objects.create(pk=2, username="two")
    group, _ = Group.objects.create(pk=1, name="first"), Group.objects.create(pk=2, name="second")
    user.groups.add(group)
    invalidated()
    change(user, group)
    assert invalidated() == expected


def test_invalidation_happens_on_commit_and_not_on_rollback(users, invalidated):
    user = User.objects.create(pk=1, username="one")
    invalidated()
    with transaction.atomic():
        user.save()
        with connections.guarded_client("cache") as client:
            before = client.get("tag:users")
    with connections.guarded_client("cache") as client:
        assert client.get("tag:users") != before
    invalidated()
    with transaction.atomic():
        user.save()
        transaction.set_rollback(True)
    assert invalidated() == set()


def test_purge_now_invalidates_after_a_write_without_signals(users, invalidated):
    user = User.objects.create(pk=1, username="one")
    invalidated()
    User.objects.filter(pk=1).update(email="x@example.com")
    assert invalidated() == set()
    users.purge_now(user)
    assert invalidated() == {"users", "user:1"}


def test_an_invalidation_is_published_on_the_channel(users):
    with connections.guarded_client("cache") as client:
        listener = client.pubsub(ignore_subscribe_messages=True)
        listener.subscribe(redis_writes.CHANNEL)
        listener.get_message(timeout=1)
        User.objects.create(pk=1, username="one", last_name="New")
        message = listener.get_message(timeout=1)
        listener.close()
    assert json.loads(message["data"]) == {"keys": [], "tags": ["named:New", "user:1", "users"]}


def test_a_save_in_a_transaction_succeeds_without_redis(users, valkey):
    valkey.stop()
    with transaction.atomic():
        User.objects.create(pk=1, username="one")
    assert User.objects.filter(pk=1).exists()
    CACHE.reset()


def test_a_save_outside_of_a_transaction_succeeds_without_redis(users, valkey, caplog):
    valkey.stop()
    User.objects.create(pk=1, username="one")
    assert User.objects.filter(pk=1).exists()
    message = "A written row is not invalidated yet and will be retried: Redis role 'cache': ConnectionError"
    assert message in caplog.text
    CACHE.reset()


class Person(User):
    """A proxy that is defined before the declaration."""

    class Meta:
        app_label = "auth"
        proxy = True


def test_a_save_and_a_deletion_of_a_proxy_invalidate(users, invalidated):
    User.objects.create(pk=1, username="one")
    invalidated()
    person = Person.objects.get(pk=1)
    person.save()
    assert invalidated() == {"users", "user:1"}
    person.delete()
    assert invalidated() == {"users", "user:1"}


@isolate_apps("django.contrib.auth")
def test_a_proxy_that_is_defined_later_invalidates_too(users, invalidated):
    class Late(User):
        class Meta:
            app_label = "auth"
            proxy = True

    User.objects.create(pk=1, username="one")
    invalidated()
    Late.objects.get(pk=1).save()
    assert invalidated() == {"users", "user:1"}


def test_a_disconnected_declaration_invalidates_nothing(users, invalidated):
    users.disconnect()
    invalidated()
    User.objects.create(pk=1, username="one")
    assert invalidated() == set()
    assert User not in declared


# Raw saves: a fixture's rows may refer to rows that it loads later


@pytest.fixture
def load(tmp_path):
    """A function that loads objects as `loaddata` does."""

    def load_objects(*objects):
        fixture = tmp_path / "fixture.json"
        fixture.write_text(json.dumps([{"model": model, "pk": pk, "fields": fields} for model, pk, fields in objects]))
        call_command("loaddata", str(fixture), verbosity=0)

    return load_objects


def user_fields(**fields):
    return {"username": "one", "password": "", "groups": [], **fields}


def entry_fields(user):
    return {"user": user, "action_time": "2026-01-01T00:00:00Z", "object_repr": "x", "action_flag": 1}


@pytest.fixture
def entries():
    """Tags that follow a foreign key."""
    model_tags = ModelTags(
        LogEntry,
        read=lambda pk: [f"user:{pk}"],
        purge=lambda entry: [f"named:{entry.user.last_name}"],
        purge_old_row=True,
        cache=CACHE,
    )
    yield model_tags
    model_tags.disconnect()


@pytest.mark.parametrize("times", [1, 2])
def test_a_loaded_row_may_refer_to_a_row_that_is_loaded_later(entries, invalidated, load, times):
    invalidated()
    entry = ("admin.logentry", 2, entry_fields(user=1))
    load(*[entry] * times, ("auth.user", 1, user_fields(last_name="New")))
    assert LogEntry.objects.get(pk=2).user.last_name == "New"
    assert {"named:New", "user:2"} <= invalidated()


def test_a_load_invalidates_what_the_row_was_and_what_it_is(users, invalidated, load):
    user = User.objects.create(pk=1, username="one", last_name="Old")
    user.groups.add(Group.objects.create(pk=1, name="First"))
    invalidated()
    load(("auth.user", 1, user_fields(last_name="New", groups=[2])), ("auth.group", 2, {"name": "Second"}))
    assert invalidated() == {"users", "user:1", "named:Old", "named:New", "group:1", "group:2"}


def test_a_load_that_is_rolled_back_invalidates_nothing(users, invalidated, load):
    User.objects.create(pk=1, username="one", last_name="Old")
    invalidated()
    with transaction.atomic():
        load(("auth.user", 1, user_fields(last_name="New")))
        transaction.set_rollback(True)
    assert invalidated() == set()


def test_a_loaded_row_is_read_once_per_load(users, load):
    rows = [("auth.user", pk, user_fields(username=f"user {pk}")) for pk in range(1, 21)]
    with CaptureQueriesContext(connection) as queries:
        load(*rows)
    assert sum("IN (1, 2, 3" in query["sql"] for query in queries) == 1


def test_a_raw_save_outside_of_a_load_skips_a_relation_that_is_missing(entries, invalidated):
    invalidated()
    with connection.constraint_checks_disabled():
        (entry,) = deserialize("python", [{"model": "admin.logentry", "pk": 2, "fields": entry_fields(user=1)}])
        with transaction.atomic():
            entry.save()
            User.objects.create(pk=1, username="one", last_name="New")
    assert {"named:New", "user:2"} <= invalidated()
