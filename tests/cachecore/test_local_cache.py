"""Values in the process's memory: what may be served, for how long, and how much is kept."""

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

NEAR = family("local-near", local=True, beta=0)


class Clock:
    now = 1_000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def memory(clock):
    return LocalCache(100_000, 1.0, clock)


def put(memory, key="k", data=b"x", versions=None, generation=None, fresh_ms=60_000):
    entry = Entry(key, b"header", Payload(data), versions or {})
    entry.validated_at = memory._monotonic()
    envelope = Envelope(0, 60_000, 120_000, 0.0, {}, False, 0, data)
    memory.put(entry, envelope, 0, fresh_ms, memory.generation if generation is None else generation)
    return entry


def test_an_entry_is_served_while_it_was_verified_less_than_its_bound_ago(memory, clock):
    entry = put(memory)
    clock.now += 0.999
    assert memory.get_fresh("k") is entry
    clock.now += 0.001
    assert memory.get_fresh("k") is None
    assert memory.get_unexpired("k") is entry


def test_the_moment_that_counts_is_the_one_before_the_question(memory, clock):
    entry = put(memory)
    clock.now += 5
    asked_at = clock.now
    clock.now += 0.9  # the answer was slow
    memory.apply_revalidation([entry], [b"header"], {}, asked_at)
    assert memory.get_fresh("k") is entry
    clock.now += 0.1
    assert memory.get_fresh("k") is None


@pytest.mark.parametrize(("header", "version"), [(b"other", b"1"), (b"", b"1"), (b"header", b"2"), (b"header", None)])
def test_an_entry_that_does_not_stand_any_more_is_dropped(memory, header, version):
    entry = put(memory, versions={"a": b"1"})
    memory.apply_revalidation([entry], [header], {"a": version}, memory._monotonic())
    assert memory.get_unexpired("k") is None
    assert len(memory) == 0


def test_it_is_not_served_past_its_logical_expiry_nor_known_past_its_hard_one(memory, clock):
    entry = put(memory, fresh_ms=500)
    clock.now += 0.5
    assert memory.get_fresh("k") is None
    clock.now += 119.4
    assert memory.get_unexpired("k") is entry
    clock.now += 0.1
    assert memory.get_unexpired("k") is None


def test_own_invalidations_act_at_once(memory):
    put(memory, "one", versions={"a": b"1", "b": b"1"})
    put(memory, "two", versions={"b": b"1"})
    put(memory, "three")
    memory.invalidate((), ["a"])
    assert [memory.get_fresh(key) is not None for key in ("one", "two", "three")] == [False, True, True]
    memory.invalidate(["three"], ())
    assert memory.get_unexpired("three") is None


def test_what_was_asked_before_an_own_invalidation_is_not_kept_after_it(memory):
    before = memory.generation
    memory.invalidate((), ["a"])
    put(memory, versions={"a": b"1"}, generation=before)
    assert memory.get_unexpired("k") is None


def test_it_is_bounded_in_bytes_and_the_least_recently_used_leaves(memory):
    for number in range(50):
        put(memory, f"{number:04}", b"x" * (10_000 - ENTRY_BYTES - 4))
        memory.get_fresh("0000")
    assert (memory.bytes, len(memory)) == (100_000, 10)
    assert memory.get_unexpired("0000") is not None
    assert memory.get_unexpired("0001") is None


def test_one_value_never_takes_more_than_an_eighth(memory):
    put(memory, data=b"x" * 12_600)
    assert len(memory) == 0


def grown(memory, put_one):
    """Bytes that Python has taken for what `put_one` put."""
    gc.collect()
    tracemalloc.start()
    try:
        put_one()
        return tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()


def put_text(memory, key, text):
    """As a reader keeps what cannot be changed: as bytes and as the object."""
    entry = Entry(key, b"header", Payload(text.encode()), {})
    entry.validated_at, entry.immutable, entry.value = memory._monotonic(), True, text.encode().decode()
    memory.put(entry, Envelope(0, 60_000, 120_000, 0.0, {}, False, 0, b""), 0, 60_000, memory.generation)


@pytest.mark.parametrize("text", ["x" * 3_000, "ж" * 1_500, "ж" * 1_500 + "😀"], ids=["latin", "cyrillic", "emoji"])
def test_texts_take_no_more_than_the_bound_although_they_are_there_twice(text):
    memory = LocalCache(4_000_000, 1.0)
    grew = grown(memory, lambda: [put_text(memory, f"key-{number}", text) for number in range(2_000)])
    assert 3_900_000 < memory.bytes <= 4_000_000
    assert grew < 1.1 * 4_000_000


def test_what_was_evicted_is_not_kept_by_the_queue_of_verification():
    memory = LocalCache(4_000_000, 1.0)
    grew = grown(memory, lambda: [put(memory, f"key-{n}", b"%03000d" % n) for n in range(4_900)])
    assert grew < 1.1 * 4_000_000


def test_tags_are_counted():
    memory = LocalCache(4_000_000, 1.0)
    tags = [{f"user:{n}:{tag}": b"%08d" % n for tag in range(20)} for n in range(2_000)]
    grew = grown(memory, lambda: [put(memory, f"{n}", versions=dict(tags[n])) for n in range(2_000)])
    assert len(memory) < 500
    assert grew < 1.1 * 4_000_000


def test_bookkeeping_of_evicted_entries_is_bounded():
    memory = LocalCache(20_000, 1.0)
    for number in range(5_000):
        put(memory, f"{number}", versions={f"tag-{number}": b"1"})
    assert len(memory._cells) == len(memory)
    assert len(memory._revalidation_queue) <= 2 * len(memory) + 1_000


def test_what_a_value_costs_does_not_grow_with_how_many_there_are():
    """With many tags of their own; each put or settling once went through the tags of all."""
    memory = LocalCache(32_000_000, 1.0)

    def seconds(first, number):
        started = time.thread_time()
        for one in range(first, first + number):
            put(memory, f"{one}", versions={f"user:{one}:{tag}": b"1" for tag in range(20)})
        return time.thread_time() - started

    few = seconds(0, 300)
    seconds(300, 2_000)
    assert min(seconds(2_300, 300), seconds(2_600, 300)) < 10 * few  # it was a hundred times as much


def test_what_was_evicted_or_replaced_is_not_verified_along(memory, clock):
    replaced = put(memory, "replaced")
    evicted = put(memory, "evicted")
    memory.get_fresh("replaced")
    memory.get_fresh("evicted")
    memory.invalidate(["evicted"], ())
    del evicted
    entry = put(memory, "replaced")
    clock.now += 0.6
    other = put(memory, "other")
    assert memory.claim_revalidation(entry)
    assert memory.revalidation_batch(entry) == [entry]
    assert (replaced.revalidating, other.revalidating) == (False, False)


def test_past_half_its_bound_one_caller_verifies_and_takes_others_in_use_along(memory, clock):
    used, unused, young = put(memory, "used"), put(memory, "unused"), None
    entry = put(memory, "entry")
    clock.now += 0.4
    young = put(memory, "young")
    assert not memory.claim_revalidation(entry)
    clock.now += 0.2
    memory.get_fresh("used")
    memory.get_fresh("young")
    assert [memory.claim_revalidation(entry), memory.claim_revalidation(entry)] == [True, False]
    assert memory.revalidation_batch(entry) == [entry, used]
    assert (unused.revalidating, young.revalidating) == (False, False)


# On Valkey


def commands(client):
    stats = client.info("commandstats")
    return sum(
        one["calls"] for name, one in stats.items() if name in ("cmdstat_mget", "cmdstat_getrange", "cmdstat_get")
    )


def test_a_local_hit_touches_no_socket_and_a_verification_fetches_no_value():
    cache, key = Cache(local_seconds=30), NEAR.key(id=1)
    with connections.guarded_client("cache") as client:
        cache.remember(key, None, lambda: "x" * 10_000, tags=["a"])
        before = commands(client)
        assert {cache.remember(key, None, lambda: "new", tags=["a"]) for _ in range(100)} == {"x" * 10_000}
        assert commands(client) == before
        cache._local_cache._entries[key].validated_at -= 20
        sent = client.info("stats")["total_net_output_bytes"]
        assert cache.get(key, tags=["a"]) == "x" * 10_000
        assert commands(client) == before + 2  # GETRANGE and MGET in one trip
        assert client.info("stats")["total_net_output_bytes"] - sent < 15_000  # INFO's own answers


@pytest.mark.parametrize("how", ["delete", "set", "tag"])
def test_another_processs_change_is_seen_at_the_next_verification(how):
    ours, other, key = Cache(), Cache(), NEAR.key(id=1)
    ours.remember(key, None, lambda: "old", tags=["a"])
    {
        "delete": lambda: other.delete(key),
        "set": lambda: other.set(key, "new", tags=["a"]),
        "tag": lambda: other.invalidate_tag("a"),
    }[how]()
    assert ours.remember(key, None, lambda: "new", tags=["a"]) == "old"  # within the bound
    ours._local_cache._entries[key].validated_at -= 0.5
    assert ours.remember(key, None, lambda: "new", tags=["a"]) == "new"


def test_word_of_a_change_hastens_it():
    ours, other, key = Cache(), Cache(), NEAR.key(id=1)
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


def test_an_invalidation_that_cannot_be_told_is_done(settings, caplog):
    cache, key = Cache(), NEAR.key(id=1)
    cache.remember(key, None, lambda: "old", tags=["a"])
    settings.CACHES = settings.CACHES | {"state": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    cache.invalidate_tag("a")
    assert cache.remember(key, None, lambda: "new", tags=["a"]) == "new"
    assert "An invalidation is done, but could not be published to the other processes." in caplog.text


@pytest.fixture
def listening():
    one = Cache(local_seconds=600, subscribe=True)  # so long that only word of it can make it ask again
    yield one
    pubsub.close()


@pytest.mark.parametrize("how", ["delete", "tag", "clear"])
def test_who_listens_hears_of_another_processs_change(listening, how):
    other, key = Cache(), NEAR.key(id=1)
    assert not pubsub.unsubscribe(redis_writes.CHANNEL)  # who keeps nothing needs no thread to listen
    listening.remember(key, None, lambda: "old", tags=["a"])
    assert pubsub.ready(10)
    {
        "delete": lambda: other.delete(key),
        "tag": lambda: other.invalidate_tag("a"),
        "clear": lambda: other.clear(NEAR),
    }[how]()
    until = time.monotonic() + 10
    while listening.remember(key, None, lambda: "new", tags=["a"]) == "old":
        assert time.monotonic() < until


def test_a_message_that_is_not_ours_changes_nothing(listening):
    key, heard = NEAR.key(id=1), pubsub.shared.counts
    listening.remember(key, None, lambda: "old", tags=["a"])
    assert pubsub.ready(10)
    before, until = heard["callback_errors"], time.monotonic() + 10
    pubsub.publish(redis_writes.CHANNEL, {"tags": 5})
    while heard["callback_errors"] == before:
        assert time.monotonic() < until
    assert listening.remember(key, None, lambda: "new", tags=["a"]) == "old"


def test_own_changes_are_seen_at_once():
    cache, key = Cache(), NEAR.key(id=1)
    for change in (lambda: cache.delete(key), lambda: cache.invalidate_tag("a"), lambda: cache.clear(NEAR)):
        cache.remember(key, None, lambda: "old", tags=["a"])
        change()
        assert cache.remember(key, None, lambda: "new", tags=["a"]) == "new"
        cache.delete(key)
    cache.remember(key, None, lambda: "old", tags=["a"])
    cache.set(key, "set", tags=["a"])
    assert cache.remember(key, None, lambda: "new", tags=["a"]) == "set"


def test_other_tags_are_another_question():
    cache, key = Cache(), NEAR.key(id=1)
    cache.remember(key, None, lambda: "without", tags=["a"])
    assert cache.remember(key, None, lambda: "with", tags=["a", "b"]) == "with"
