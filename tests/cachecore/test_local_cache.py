"""The local cache (L1): what may be served, for how long, and how much memory it uses."""

import gc
import json
import time
import tracemalloc

import pytest

from cachecore import pubsub
from cachecore.redis_client import connections
from cachecore.service import Cache
from cachecore.storage import redis_writes
from cachecore.storage.envelope import Envelope, Payload
from cachecore.storage.local_cache import ENTRY_BYTES, Entry, LocalCache
from tests.cachecore.test_envelope import family

LOCAL = family("local-cache", local=True, beta=0)


class Clock:
    now = 1_000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def local_cache(clock):
    return LocalCache(100_000, 1.0, clock)


def put(local_cache, key="k", data=b"x", versions=None, generation=None, fresh_ms=60_000):
    entry = Entry(key, b"header", Payload(data), versions or {})
    entry.validated_at = local_cache._monotonic()
    envelope = Envelope(0, 60_000, 120_000, 0.0, {}, False, 0, data)
    local_cache.put(entry, envelope, 0, fresh_ms, local_cache.generation if generation is None else generation)
    return entry


def test_an_entry_is_served_until_its_maximum_age_since_validation(local_cache, clock):
    entry = put(local_cache)
    clock.now += 0.999
    assert local_cache.get_fresh("k") is entry
    clock.now += 0.001
    assert local_cache.get_fresh("k") is None
    assert local_cache.get_unexpired("k") is entry


def test_the_age_counts_from_before_the_command_was_sent(local_cache, clock):
    entry = put(local_cache)
    clock.now += 5
    sent_at = clock.now
    clock.now += 0.9  # the reply was slow
    local_cache.apply_revalidation([entry], [b"header"], {}, sent_at)
    assert local_cache.get_fresh("k") is entry
    clock.now += 0.1
    assert local_cache.get_fresh("k") is None


@pytest.mark.parametrize(("header", "version"), [(b"other", b"1"), (b"", b"1"), (b"header", b"2"), (b"header", None)])
def test_an_entry_that_is_no_longer_current_is_removed(local_cache, header, version):
    entry = put(local_cache, versions={"a": b"1"})
    local_cache.apply_revalidation([entry], [header], {"a": version}, local_cache._monotonic())
    assert local_cache.get_unexpired("k") is None
    assert len(local_cache) == 0


def test_an_entry_is_served_until_its_soft_expiry_and_usable_until_its_hard_one(local_cache, clock):
    entry = put(local_cache, fresh_ms=500)
    clock.now += 0.5
    assert local_cache.get_fresh("k") is None
    clock.now += 119.4
    assert local_cache.get_unexpired("k") is entry
    clock.now += 0.1
    assert local_cache.get_unexpired("k") is None


def test_invalidations_of_this_process_take_effect_at_once(local_cache):
    put(local_cache, "one", versions={"a": b"1", "b": b"1"})
    put(local_cache, "two", versions={"b": b"1"})
    put(local_cache, "three")
    local_cache.invalidate((), ["a"])
    assert [local_cache.get_fresh(key) is not None for key in ("one", "two", "three")] == [False, True, True]
    local_cache.invalidate(["three"], ())
    assert local_cache.get_unexpired("three") is None


def test_a_value_read_before_an_invalidation_is_not_stored_after_it(local_cache):
    before = local_cache.generation
    local_cache.invalidate((), ["a"])
    put(local_cache, versions={"a": b"1"}, generation=before)
    assert local_cache.get_unexpired("k") is None


def test_it_is_bounded_in_bytes_and_evicts_the_least_recently_used(local_cache):
    for number in range(50):
        put(local_cache, f"{number:04}", b"x" * (10_000 - ENTRY_BYTES - 4))
        local_cache.get_fresh("0000")
    assert (local_cache.bytes, len(local_cache)) == (100_000, 10)
    assert local_cache.get_unexpired("0000") is not None
    assert local_cache.get_unexpired("0001") is None


def test_a_value_larger_than_an_eighth_of_the_bound_is_not_stored(local_cache):
    put(local_cache, data=b"x" * 12_600)
    assert len(local_cache) == 0


def memory_used_by(action):
    """Return the bytes that Python has allocated during `action` and not freed."""
    gc.collect()
    tracemalloc.start()
    try:
        action()
        return tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()


def put_text(local_cache, key, text):
    """Store an immutable value as a reader does: as bytes and as the object."""
    entry = Entry(key, b"header", Payload(text.encode()), {})
    entry.validated_at, entry.immutable, entry.value = local_cache._monotonic(), True, text.encode().decode()
    local_cache.put(entry, Envelope(0, 60_000, 120_000, 0.0, {}, False, 0, b""), 0, 60_000, local_cache.generation)


@pytest.mark.parametrize("text", ["x" * 3_000, "ж" * 1_500, "ж" * 1_500 + "😀"], ids=["latin", "cyrillic", "emoji"])
def test_texts_stored_as_bytes_and_object_stay_within_the_bound(text):
    local_cache = LocalCache(4_000_000, 1.0)
    used = memory_used_by(lambda: [put_text(local_cache, f"key-{number}", text) for number in range(2_000)])
    assert 3_900_000 < local_cache.bytes <= 4_000_000
    assert used < 1.1 * 4_000_000


def test_the_revalidation_queue_keeps_no_evicted_entry_alive():
    local_cache = LocalCache(4_000_000, 1.0)
    used = memory_used_by(lambda: [put(local_cache, f"key-{n}", b"%03000d" % n) for n in range(4_900)])
    assert used < 1.1 * 4_000_000


def test_the_memory_of_tags_counts_towards_the_bound():
    local_cache = LocalCache(4_000_000, 1.0)
    tags = [{f"user:{n}:{tag}": b"%08d" % n for tag in range(20)} for n in range(2_000)]
    used = memory_used_by(lambda: [put(local_cache, f"{n}", versions=dict(tags[n])) for n in range(2_000)])
    assert len(local_cache) < 500
    assert used < 1.1 * 4_000_000


def test_bookkeeping_of_evicted_entries_is_bounded():
    local_cache = LocalCache(20_000, 1.0)
    for number in range(5_000):
        put(local_cache, f"{number}", versions={f"tag-{number}": b"1"})
    assert len(local_cache._cells) == len(local_cache)
    assert len(local_cache._revalidation_queue) <= 2 * len(local_cache) + 1_000


def test_storing_a_value_costs_the_same_however_many_there_are():
    """Each value has many tags of its own, which a put must not iterate over."""
    local_cache = LocalCache(32_000_000, 1.0)

    def seconds(first, number):
        started = time.thread_time()
        for one in range(first, first + number):
            put(local_cache, f"{one}", versions={f"user:{one}:{tag}": b"1" for tag in range(20)})
        return time.thread_time() - started

    few = seconds(0, 300)
    seconds(300, 2_000)
    assert min(seconds(2_300, 300), seconds(2_600, 300)) < 10 * few  # else a hundred times as long


def test_evicted_and_replaced_entries_are_not_revalidated_along(local_cache, clock):
    replaced = put(local_cache, "replaced")
    evicted = put(local_cache, "evicted")
    local_cache.get_fresh("replaced")
    local_cache.get_fresh("evicted")
    local_cache.invalidate(["evicted"], ())
    del evicted
    entry = put(local_cache, "replaced")
    clock.now += 0.6
    other = put(local_cache, "other")
    assert local_cache.claim_revalidation(entry)
    assert local_cache.revalidation_batch(entry) == [entry]
    assert (replaced.revalidating, other.revalidating) == (False, False)


def test_after_half_its_age_one_caller_revalidates_an_entry_with_others_in_use(local_cache, clock):
    used, unused, young = put(local_cache, "used"), put(local_cache, "unused"), None
    entry = put(local_cache, "entry")
    clock.now += 0.4
    young = put(local_cache, "young")
    assert not local_cache.claim_revalidation(entry)
    clock.now += 0.2
    local_cache.get_fresh("used")
    local_cache.get_fresh("young")
    assert [local_cache.claim_revalidation(entry), local_cache.claim_revalidation(entry)] == [True, False]
    assert local_cache.revalidation_batch(entry) == [entry, used]
    assert (unused.revalidating, young.revalidating) == (False, False)


# On Valkey


def commands(client):
    stats = client.info("commandstats")
    return sum(
        one["calls"] for name, one in stats.items() if name in ("cmdstat_mget", "cmdstat_getrange", "cmdstat_get")
    )


def test_a_local_hit_sends_no_command_and_a_revalidation_fetches_no_value():
    cache, key = Cache(local_seconds=30), LOCAL.key(id=1)
    with connections.guarded_client("cache") as client:
        cache.remember(key, None, lambda: "x" * 10_000, tags=["a"])
        before = commands(client)
        assert {cache.remember(key, None, lambda: "new", tags=["a"]) for _ in range(100)} == {"x" * 10_000}
        assert commands(client) == before
        cache._local_cache._entries[key].validated_at -= 20
        sent = client.info("stats")["total_net_output_bytes"]
        assert cache.get(key, tags=["a"]) == "x" * 10_000
        assert commands(client) == before + 2  # GETRANGE and MGET in one trip
        assert client.info("stats")["total_net_output_bytes"] - sent < 15_000  # the replies to INFO


@pytest.mark.parametrize("how", ["delete", "set", "tag"])
def test_a_change_by_another_process_is_seen_at_the_next_revalidation(how):
    ours, other, key = Cache(), Cache(), LOCAL.key(id=1)
    ours.remember(key, None, lambda: "old", tags=["a"])
    {
        "delete": lambda: other.delete(key),
        "set": lambda: other.set(key, "new", tags=["a"]),
        "tag": lambda: other.invalidate_tag("a"),
    }[how]()
    assert ours.remember(key, None, lambda: "new", tags=["a"]) == "old"  # within the bound
    ours._local_cache._entries[key].validated_at -= 0.5
    assert ours.remember(key, None, lambda: "new", tags=["a"]) == "new"


def test_an_invalidation_message_takes_effect_before_the_next_revalidation():
    ours, other, key = Cache(), Cache(), LOCAL.key(id=1)
    ours.remember(key, None, lambda: "old", tags=["a"])
    with connections.guarded_client("cache") as client:
        listener = client.pubsub(ignore_subscribe_messages=True)
        listener.subscribe(redis_writes.CHANNEL)
        listener.get_message(timeout=1)
        other.invalidate_tag("a")
        message = listener.get_message(timeout=1)
        listener.close()
    assert json.loads(message["data"]) == {"keys": [], "tags": ["a"]}
    ours.on_invalidation_message(message["data"])
    assert ours.remember(key, None, lambda: "new", tags=["a"]) == "new"


def test_an_invalidation_that_cannot_be_published_is_done(settings, caplog):
    cache, key = Cache(), LOCAL.key(id=1)
    cache.remember(key, None, lambda: "old", tags=["a"])
    settings.CACHES = settings.CACHES | {"state": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    cache.invalidate_tag("a")
    assert cache.remember(key, None, lambda: "new", tags=["a"]) == "new"
    assert "An invalidation is done, but could not be published to the other processes." in caplog.text


@pytest.fixture
def subscribed():
    cache = Cache(local_seconds=600, subscribe=True)  # so long that only a message makes it read again
    yield cache
    pubsub.close()


@pytest.mark.parametrize("how", ["delete", "tag", "clear"])
def test_a_subscribed_cache_receives_changes_of_another_process(subscribed, how):
    other, key = Cache(), LOCAL.key(id=1)
    assert not pubsub.unsubscribe(redis_writes.CHANNEL)  # without an entry there is no subscription
    subscribed.remember(key, None, lambda: "old", tags=["a"])
    assert pubsub.ready(10)
    {
        "delete": lambda: other.delete(key),
        "tag": lambda: other.invalidate_tag("a"),
        "clear": lambda: other.clear(LOCAL),
    }[how]()
    until = time.monotonic() + 10
    while subscribed.remember(key, None, lambda: "new", tags=["a"]) == "old":
        assert time.monotonic() < until


def test_a_message_of_another_format_changes_nothing(subscribed):
    key, counts = LOCAL.key(id=1), pubsub.shared.counts
    subscribed.remember(key, None, lambda: "old", tags=["a"])
    assert pubsub.ready(10)
    before, until = counts["callback_errors"], time.monotonic() + 10
    pubsub.publish(redis_writes.CHANNEL, {"tags": 5})
    while counts["callback_errors"] == before:
        assert time.monotonic() < until
    assert subscribed.remember(key, None, lambda: "new", tags=["a"]) == "old"


def test_changes_by_this_process_are_seen_at_once():
    cache, key = Cache(), LOCAL.key(id=1)
    for change in (lambda: cache.delete(key), lambda: cache.invalidate_tag("a"), lambda: cache.clear(LOCAL)):
        cache.remember(key, None, lambda: "old", tags=["a"])
        change()
        assert cache.remember(key, None, lambda: "new", tags=["a"]) == "new"
        cache.delete(key)
    cache.remember(key, None, lambda: "old", tags=["a"])
    cache.set(key, "set", tags=["a"])
    assert cache.remember(key, None, lambda: "new", tags=["a"]) == "set"


def test_a_read_with_other_tags_is_not_served_the_entry():
    cache, key = Cache(), LOCAL.key(id=1)
    cache.remember(key, None, lambda: "without", tags=["a"])
    assert cache.remember(key, None, lambda: "with", tags=["a", "b"]) == "with"
