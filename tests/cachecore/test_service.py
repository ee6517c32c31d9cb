"""The cache service on a real Valkey: reads, writes, freshness, time limits."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest
from django.core.management import call_command

from cachecore import tags, tiers
from cachecore.keys import CacheOptions, Family, registry
from cachecore.read_through import refresh_pool
from cachecore.read_through.single_flight import FactoryTimeout
from cachecore.redis_client import connections
from cachecore.redis_client.connections import RedisUnavailable
from cachecore.service import Cache, WarmupEntry
from cachecore.stats import stats
from cachecore.stats.measures import READS
from cachecore.storage import clearing, leases
from cachecore.storage.encryption import EncryptionKeyMissing, NotStorable
from cachecore.storage.envelope import NOT_FOUND, ValueTooLarge
from cachecore.ttl import effective_ttl
from tests.cachecore.test_envelope import FERNET_KEYS, family

PLAIN = family("service-plain")
LOCAL = family("service-local", local=True)
SOFT = family("service-soft", soft_ttl_seconds=1, beta=0)
BACKGROUND = family("service-background", soft_ttl_seconds=1, beta=0, background=True)
LIMITED = family(
    "service-limited", soft_ttl_seconds=1, beta=0, factory_soft_timeout_seconds=0.05, factory_hard_timeout_seconds=0.1
)
SECRET = family("service-secret", encrypted=True, local=True)
BRIEF = family("service-brief", lease_seconds=0.05)
NO_NEGATIVE_TTL = family("service-no-negative-ttl", negative_ttl_seconds=0)
HARD_LIMIT = family("service-hard-limit", factory_hard_timeout_seconds=5)
LONG_KEYS = Family(
    name="service-long",
    pattern="service-long:{a}:{b}",
    role="cache",
    type="string",
    ttl_seconds=60,
    holds="a value under a key of more than 200 characters",
    written_by="a test",
    purged_by="its TTL",
)
JSON = family("service-json", encoding="json", value_type=dict[str, Decimal])


class CountingFactory:
    """A factory that counts its calls and returns `value`, or the count."""

    def __init__(self, value=None):
        self.calls = 0
        self.value = value

    def __call__(self):
        self.calls += 1
        return self.calls if self.value is None else self.value


@pytest.fixture
def count(monkeypatch):
    counted = []
    monkeypatch.setattr(stats, "count", lambda family, event, amount=1: counted.append((family, event)))
    return counted


def age(key, milliseconds):
    """Move the times of a stored value into the past, as if it had been stored earlier."""
    import msgspec

    from cachecore.storage import envelope as envelopes

    with connections.guarded_client("cache") as client:
        data = client.get(key)
        old = envelopes.parse(data)
        aged = msgspec.structs.replace(
            old,
            stored_ms=old.stored_ms - milliseconds,
            soft_ms=old.soft_ms - milliseconds,
            hard_ms=old.hard_ms - milliseconds,
        )
        client.set(key, data[: envelopes.HEADER_BYTES] + msgspec.msgpack.encode(aged), keepttl=True)


def in_other_thread(job):
    """Run a job in another thread, which is not within the factory of the calling one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(job).result(10)


def raising(error):
    def factory():
        raise error

    return factory


def test_a_miss_computes_and_stores_and_a_hit_does_not_compute(cache, count):
    factory = CountingFactory()
    assert [cache.remember(PLAIN.key(id=1), None, factory) for _ in range(3)] == [1, 1, 1]
    assert [event for _, event in count] == ["miss", "stored", "hit", "hit"]
    with connections.guarded_client("cache") as client:
        assert 54_000 < client.pttl("service-plain:1") <= 60_000


def test_a_hit_is_one_command(cache):
    cache.remember(PLAIN.key(id=1), None, CountingFactory(), tags=["a", "b"])
    with connections.guarded_client("cache") as client:
        before = client.info("commandstats")
        cache.remember(PLAIN.key(id=1), None, CountingFactory(), tags=["a", "b"])
        after = client.info("commandstats")
    used = {name: after[name]["calls"] - before.get(name, {"calls": 0})["calls"] for name in after}
    assert {name: calls for name, calls in used.items() if calls} == {"cmdstat_mget": 1, "cmdstat_info": 1}


def test_none_is_a_value_and_a_miss_is_the_default(cache):
    cache.set(PLAIN.key(id=1), None)
    assert cache.get(PLAIN.key(id=1), "default") is None
    assert cache.get(PLAIN.key(id=2), "default") == "default"
    assert (cache.exists(PLAIN.key(id=1)), cache.exists(PLAIN.key(id=2))) == (True, False)
    factory = CountingFactory()
    assert cache.remember(PLAIN.key(id=1), None, factory) is None
    assert factory.calls == 0


def test_a_miss_returns_exactly_what_a_hit_will(cache):
    values = [cache.remember(PLAIN.key(id=1), None, lambda: (1, Decimal("1.50"))) for _ in range(2)]
    assert values == [[1, "1.50"]] * 2
    typed = [cache.remember(JSON.key(id=1), None, lambda: {"a": Decimal("1.50")}) for _ in range(2)]
    assert typed == [{"a": Decimal("1.50")}] * 2


@pytest.mark.parametrize("kind", [PLAIN, LOCAL], ids=["remote", "local"])
def test_changing_a_returned_value_does_not_change_the_cached_one(cache, kind):
    cache.remember(kind.key(id=1), None, lambda: [1]).append(2)
    cache.remember(kind.key(id=1), None, lambda: [1]).append(3)
    assert cache.remember(kind.key(id=1), None, lambda: [1]) == [1]


def test_many_values_are_set_read_and_deleted(cache):
    keys = [PLAIN.key(id=number) for number in range(250)]
    assert cache.set_many({key: number for number, key in enumerate(keys)}, tags=["many"]) == 250
    assert cache.get_many([*keys, PLAIN.key(id="absent")]) == {key: number for number, key in enumerate(keys)}
    assert cache.delete_many([*keys[:200], PLAIN.key(id="absent")]) == 200
    assert list(cache.get_many(keys).values()) == list(range(200, 250))
    cache.invalidate_tag("many")
    assert cache.get_many(keys) == {}


def test_a_counter_gets_its_ttl_when_it_is_created(cache):
    key = PLAIN.key(id="counter")
    assert [cache.increment(key, 2, ttl=30), cache.increment(key, 3, ttl=999), cache.increment(key, -10)] == [2, 5, -5]
    with connections.guarded_client("cache") as client:
        assert 0 < client.pttl(key) <= 30_000
    assert cache.get(key) == -5


@pytest.mark.parametrize("process", ["other process", "this process"])
def test_a_computed_value_does_not_overwrite_a_counter_incremented_meanwhile(cache, process):
    key, counter = PLAIN.key(id="counter"), Cache() if process == "other process" else cache
    assert cache.remember(key, None, lambda: in_other_thread(lambda: counter.increment(key)) + 41) == 42
    assert (counter.get(key), counter.increment(key)) == (1, 2)


@pytest.mark.parametrize(
    ("ttl", "message"),
    [
        (0, "A TTL must be 0.001 to 604800 s, not 0."),
        (-1, "not -1"),
        (604_801, "not 604801"),
        (True, "not True"),
        ("medum", "ttl must be one of list, "),
    ],
)
def test_an_invalid_ttl_raises_and_nothing_is_stored(cache, ttl, message):
    with pytest.raises(ValueError, match=message):
        cache.set(PLAIN.key(id=1), 1, ttl)
    assert not cache.exists(PLAIN.key(id=1))


def test_the_name_of_a_tier_is_a_ttl(cache):
    cache.set(PLAIN.key(id=1), 1, "list")
    with connections.guarded_client("cache") as client:
        assert 17_900 < client.pttl(PLAIN.key(id=1)) <= 20_000


def test_jitter_only_shortens_a_ttl():
    assert effective_ttl.jittered(100, lambda low, high: low) == 90
    assert effective_ttl.jittered(100, lambda low, high: high) == 100


def test_a_key_must_come_from_a_family_of_the_cache_role(cache):
    with pytest.raises(TypeError, match=r"A key must come from Family.key\(...\), but is 'text'."):
        cache.get("text")
    with pytest.raises(ValueError, match="Family lock is of the state role, not of the cache role"):
        cache.set(registry["lock"].key(name="x"), 1)
    with pytest.raises(ValueError, match="The key service-plain:1 is of family service-plain, not service-local"):
        cache.remember(PLAIN.key(id=1), None, CountingFactory(), family=LOCAL)


# Untrusted texts, used as parts of keys and as tags.
HOSTILE = [
    *("a b", "a\nb", "a\r\nDEL x", "a\tb", "\0", "{a}", "{}", "{0}", "a}b{c", "*", "a*", "?", "[a]", "a\\b", '"', "'"),
    *("x" * 201, "x" * 10_000, "é", "日本語", "😀", "\ud800", "\u202e", "ﬀ", "..", "../a", "%0a", "$(a)", "`a`", "a;b"),
    *("a|b", "a&b", "<a>", "a:b", ":a", "a:", "::", "blake2:00", "blake2", "1", "01", "1.0", "None", "True", "-1"),
    *("service-local:1", "lease:service-plain:1", "tag:a", "latch:", "service-plain:1", " "),
]


def test_there_are_at_least_fifty_different_hostile_texts():
    assert len(set(HOSTILE)) == len(HOSTILE) >= 50


def test_a_hostile_part_makes_a_safe_key_and_reaches_no_other_value(cache):
    cache.set(LOCAL.key(id=1), "a value of another family")
    keys = [PLAIN.key(id=text) for text in HOSTILE]
    assert len(set(keys)) == len(HOSTILE)
    assert all(key.startswith("service-plain:") and key.isascii() and key.isprintable() for key in keys)
    assert not any(character in key for key in keys for character in " {}*?[]\\")
    assert max(map(len, keys)) <= len("service-plain:") + 200
    assert cache.get_many(keys) == {}
    assert cache.set_many({key: number for number, key in enumerate(keys)}) == len(HOSTILE)
    assert list(cache.get_many(keys).values()) == list(range(len(HOSTILE)))


def test_parts_cannot_be_shifted_into_each_other():
    two = Family(
        name="service-two",
        pattern="service-two:{a}:{b}",
        role="cache",
        type="string",
        ttl_seconds=60,
        holds="",
        written_by="",
        purged_by="",
    )
    assert two.key(a="1:2", b="3") != two.key(a="1", b="2:3")
    assert two.key(a="1", b="2") == "service-two:1:2"


def test_every_hostile_text_is_a_separate_tag(cache):
    for number, text in enumerate(HOSTILE):
        cache.set(PLAIN.key(id=f"tagged-{number}"), number, tags=[text])
    for number, text in enumerate(HOSTILE):
        cache.invalidate_tag(text)
        assert (
            len(cache.get_many([PLAIN.key(id=f"tagged-{n}") for n in range(len(HOSTILE))])) == len(HOSTILE) - number - 1
        )


@pytest.mark.parametrize("tag", ["", None, 5, b"x"], ids=repr)
def test_an_invalid_tag_raises(cache, tag):
    with pytest.raises(ValueError, match="A tag must be a text that is not empty, not"):
        cache.invalidate_tag(tag)


def test_invalidating_a_text_instead_of_a_collection_of_tags_raises(cache):
    with pytest.raises(TypeError, match="Tags must be a collection of strings"):
        cache.invalidate_tags("user:1")


# Tags


def test_invalidating_any_tag_of_a_value_turns_it_into_a_miss(cache):
    factory = CountingFactory()
    for tag in ("a", "b"):
        cache.remember(PLAIN.key(id=1), None, factory, tags=["a", "b"])
        cache.invalidate_tag(tag)
    assert cache.remember(PLAIN.key(id=1), None, factory, tags=["b", "a"]) == 3


def test_a_reader_that_names_no_tags_misses_an_invalidated_value_too(cache):
    cache.set(PLAIN.key(id=1), "x", tags=["a"])
    assert cache.get(PLAIN.key(id=1)) == "x"
    cache.invalidate_tag("a")
    assert cache.get(PLAIN.key(id=1)) is None


def test_a_value_stored_without_a_requested_tag_is_a_miss(cache):
    cache.set(PLAIN.key(id=1), "untagged")
    assert cache.remember(PLAIN.key(id=1), None, CountingFactory("tagged"), tags=["a"]) == "tagged"
    cache.invalidate_tag("a")
    assert cache.get(PLAIN.key(id=1)) is None


@pytest.mark.parametrize("end", ["delete", "invalidate", "set"])
def test_a_value_read_before_a_change_is_not_stored_after_it(cache, count, end):
    """Without leases every cache loses this race."""

    def factory():
        {
            "delete": lambda: other.delete(key),
            "invalidate": lambda: other.invalidate_tag("a"),
            "set": lambda: other.set(key, "new", tags=["a"]),
        }[end]()
        return "old"

    other, key = Cache(), PLAIN.key(id=1)
    assert cache.remember(key, None, factory, tags=["a"]) == "old"  # its caller read before the change
    assert ("service-plain", "lease_lost") in count
    assert cache.get(key) == ("new" if end == "set" else None)


def test_a_lease_with_an_old_tag_version_delays_no_other_caller(cache):
    other, key = Cache(), PLAIN.key(id=1)

    def factory():
        other.invalidate_tag("a")
        found = in_other_thread(lambda: other.remember(key, None, CountingFactory("new"), tags=["a"]))
        assert found == "new"  # while the old lease is held
        return "old"

    cache.remember(key, None, factory, tags=["a"])
    assert cache.get(key) == "new"


def test_a_value_is_not_stored_if_the_server_was_flushed_meanwhile(cache):
    def factory():
        with connections.guarded_client("cache") as client:
            client.flushall()
        return "old"

    assert cache.remember(PLAIN.key(id=1), None, factory, tags=["a"]) == "old"
    assert cache.get(PLAIN.key(id=1)) is None


def test_a_factory_that_reads_its_own_key_does_not_wait_for_itself(cache):
    key = PLAIN.key(id=1)
    assert cache.remember(key, None, lambda: 1 + cache.remember(key, None, lambda: 1)) == 2


# Freshness


def test_one_caller_refreshes_a_stale_value_and_the_others_are_served_it(cache, count):
    key, factory = SOFT.key(id=1), CountingFactory()
    cache.remember(key, None, factory)
    age(key, 2_000)
    served = []

    def refresh():
        others = (cache, Cache())  # this process and another
        served.extend(in_other_thread(lambda other=other: other.remember(key, None, factory)) for other in others)
        return "new"

    assert cache.remember(key, None, refresh) == "new"
    assert served == [1, 1]
    assert count.count(("service-soft", "stale")) == 2
    assert count.count(("service-soft", "refreshed")) == 1
    assert cache.get(key) == "new"


def test_a_background_family_serves_the_stale_value_and_refreshes_it_in_a_thread(cache):
    key, stored = BACKGROUND.key(id=1), threading.Event()
    cache.set(key, "old")
    age(key, 2_000)
    release = threading.Event()

    def slow():
        assert release.wait(10)
        return "new"

    assert cache.remember(key, None, slow) == "old"
    flight, _ = cache._flights.join_or_lead(key, (), value_missing=True)
    flight.future.add_done_callback(lambda _: stored.set())
    release.set()
    assert stored.wait(10)
    assert cache.get(key) == "new"


def test_after_the_soft_timeout_the_stale_value_is_served_and_the_late_one_stored(cache):
    key, release = LIMITED.key(id=1), threading.Event()
    cache.set(key, "old")
    age(key, 2_000)

    def slow():
        assert release.wait(10)
        return "late"

    assert cache.remember(key, None, slow) == "old"
    flight, leads = cache._flights.join_or_lead(key, (), value_missing=True)
    release.set()
    flight.future.result(10)
    assert not leads
    assert cache.get(key) == "late"


def test_after_the_hard_timeout_an_error_is_raised_and_the_late_value_stored(cache):
    key, release = LIMITED.key(id=1), threading.Event()

    def slow():
        assert release.wait(10)
        return "late"

    with pytest.raises(FactoryTimeout, match=r"The factory of family service-limited took longer than 0\.1 s\."):
        cache.remember(key, None, slow)
    flight, _ = cache._flights.join_or_lead(key, (), value_missing=True)
    release.set()
    flight.future.result(10)
    assert cache.get(key) == "late"


def test_a_failing_factory_is_answered_with_the_stale_value_until_its_hard_ttl(cache, count):
    key = SOFT.key(id=1)
    cache.set(key, "old")
    age(key, 2_000)
    assert cache.remember(key, None, raising(RuntimeError("no"))) == "old"
    assert ("service-soft", "stale") in count
    age(key, 60_000)
    with pytest.raises(RuntimeError, match="no"):
        cache.remember(key, None, raising(RuntimeError("no")))


def test_a_failing_factory_is_never_answered_with_an_invalidated_value(cache):
    key = SOFT.key(id=1)
    cache.set(key, "old", tags=["a"])
    cache.invalidate_tag("a")
    with pytest.raises(RuntimeError):
        cache.remember(key, None, raising(RuntimeError()), tags=["a"])


def test_a_failing_factory_releases_its_lease(cache):
    with pytest.raises(RuntimeError):
        cache.remember(PLAIN.key(id=1), None, raising(RuntimeError()))
    with connections.guarded_client("cache") as client:
        assert not client.exists(leases.LEASE.key(key=PLAIN.key(id=1)))
    assert Cache().remember(PLAIN.key(id=1), None, CountingFactory()) == 1


def test_not_found_is_cached_for_the_negative_ttl(cache):
    factory = CountingFactory(NOT_FOUND)
    assert [cache.remember(PLAIN.key(id=1), None, factory) for _ in range(2)] == [NOT_FOUND] * 2
    assert factory.calls == 1
    assert cache.get(PLAIN.key(id=1)) is NOT_FOUND
    with connections.guarded_client("cache") as client:
        assert 0 < client.pttl(PLAIN.key(id=1)) <= 5_000


# Sizes and secrets


def test_a_value_that_is_too_large_is_returned_and_not_stored(cache, count):
    factory = CountingFactory("x" * 1_000_000)
    assert [len(cache.remember(PLAIN.key(id=1), None, factory)) for _ in range(2)] == [1_000_000] * 2
    assert (factory.calls, count.count(("service-plain", "refused"))) == (2, 2)
    with pytest.raises(ValueTooLarge, match="A value of family service-plain has 1,000,005 bytes"):
        cache.set(PLAIN.key(id=1), "x" * 1_000_000)
    assert not cache.exists(PLAIN.key(id=1))


def test_a_value_that_cannot_be_encoded_raises_and_releases_the_lease(cache):
    with pytest.raises(TypeError, match="Objects of type object cannot be stored"):
        cache.remember(PLAIN.key(id=1), None, object)
    assert cache.remember(PLAIN.key(id=1), None, CountingFactory()) == 1


def test_a_value_of_another_releases_type_is_computed_again(cache, monkeypatch):
    cache.set(PLAIN.key(id=1), "a text")
    monkeypatch.delitem(registry, PLAIN.name)
    typed = family("service-plain", value_type=dict[str, int])  # the next release
    assert cache.get(typed.key(id=1), "default") == "default"
    assert [cache.remember(typed.key(id=1), None, lambda: {"a": 1}) for _ in range(2)] == [{"a": 1}] * 2
    assert cache.get(typed.key(id=1)) == {"a": 1}


def test_encrypted_values_are_not_stored_locally(cache, settings):
    settings.CACHE_ENCRYPTION_KEYS = FERNET_KEYS[:1]
    cache.remember(SECRET.key(id=1), None, lambda: "the secret")
    with connections.guarded_client("cache") as client:
        assert b"the secret" not in client.get(SECRET.key(id=1))
    assert cache.get(SECRET.key(id=1)) == "the secret"
    assert len(cache._local_cache) == 0
    settings.CACHE_ENCRYPTION_KEYS = FERNET_KEYS[::-1]  # rotated: the first one encrypts, the other still decrypts
    assert cache.get(SECRET.key(id=1)) == "the secret"
    settings.CACHE_ENCRYPTION_KEYS = FERNET_KEYS[1:]
    assert cache.remember(SECRET.key(id=1), None, CountingFactory("again")) == "again"


def test_an_encrypted_value_is_valid_under_its_own_key_only(cache, settings):
    settings.CACHE_ENCRYPTION_KEYS = FERNET_KEYS[:1]
    cache.set_many({SECRET.key(id=1): "the first user's", SECRET.key(id=2): NOT_FOUND})
    with connections.guarded_client("cache") as client:
        client.copy(SECRET.key(id=1), SECRET.key(id=3))
        client.copy(SECRET.key(id=2), SECRET.key(id=4))
    assert cache.get_many([SECRET.key(id=pk) for pk in range(1, 5)]) == {
        SECRET.key(id=1): "the first user's",
        SECRET.key(id=2): NOT_FOUND,
    }
    assert cache.remember(SECRET.key(id=3), None, lambda: "the third user's") == "the third user's"


def test_an_encrypted_family_has_no_counters(cache, settings):
    """They would be in clear, and anybody who can write to Redis could set them."""
    settings.CACHE_ENCRYPTION_KEYS = FERNET_KEYS[:1]
    with pytest.raises(NotStorable, match="Family service-secret is encrypted: it cannot have counters"):
        cache.increment(SECRET.key(id=1))
    with connections.guarded_client("cache") as client:
        assert not client.exists(SECRET.key(id=1))
        client.set(SECRET.key(id=1), 7)
    assert cache.get(SECRET.key(id=1)) is None


def test_values_of_an_encrypted_family_are_refused_without_an_encryption_key(cache, count):
    assert cache.remember(SECRET.key(id=1), None, lambda: "the secret") == "the secret"
    assert ("service-secret", "refused") in count
    with pytest.raises(
        EncryptionKeyMissing, match="Family service-secret requires encryption: its values are not stored while"
    ):
        cache.set(SECRET.key(id=1), "the secret")
    with connections.guarded_client("cache") as client:
        assert client.get(SECRET.key(id=1)) is None


def test_an_invalidation_replaces_a_tag_version_of_any_type(cache):
    with connections.guarded_client("cache") as client:
        client.rpush(tags.TAG_VERSION.key(name="a"), "no version")
    cache.invalidate_tag("a")
    values = [cache.remember(PLAIN.key(id=1), None, CountingFactory("value"), tags=["a"]) for _ in range(2)]
    assert values == ["value"] * 2


# Write-through, warming, clearing, stats


def test_write_through_saves_and_then_stores(cache):
    key, saved = PLAIN.key(id=1), []
    cache.set(key, "old")
    assert cache.write_through(key, "new", lambda: saved.append("new") or "pk", tags=["a"]) == "pk"
    assert (saved, cache.get(key)) == (["new"], "new")
    cache.invalidate_tag("a")
    assert cache.get(key) is None


def test_write_through_stores_nothing_if_the_save_fails(cache):
    key = PLAIN.key(id=1)
    cache.set(key, "old")
    with pytest.raises(RuntimeError):
        cache.write_through(key, "new", raising(RuntimeError()))
    assert cache.get(key) == "old"
    cache.delete(key)
    assert Cache().remember(key, None, CountingFactory()) == 1  # no reader waits for the lease of a writer


def test_two_concurrent_write_throughs_leave_nothing_rather_than_the_wrong_value(cache):
    key, truth = PLAIN.key(id=1), []

    def first_save():
        cache.write_through(key, "second", lambda: truth.append("second"))
        truth.append("first")

    cache.write_through(key, "first", first_save)
    assert (truth[-1], cache.get(key)) == ("first", None)


def test_a_read_during_a_write_through_does_not_leave_the_old_value(cache):
    key, truth = PLAIN.key(id=1), ["old"]

    def save():
        assert Cache().remember(key, None, lambda: truth[-1]) == "old"
        truth.append("new")

    cache.write_through(key, "new", save)
    assert cache.get(key, "new") == "new"


def test_warming_computes_only_missing_values(cache):
    cache.set(PLAIN.key(id=1), "warm")
    entries = [
        WarmupEntry(PLAIN.key(id=1), CountingFactory()),
        WarmupEntry(PLAIN.key(id=2), CountingFactory(), tags=("a",)),
        WarmupEntry(PLAIN.key(id=3), raising(RuntimeError("no"))),
    ]
    assert cache.warm(entries) == (1, 1, 1)
    assert cache.get_many([PLAIN.key(id=n) for n in (1, 2, 3)]) == {"service-plain:1": "warm", "service-plain:2": 1}


def test_clearing_deletes_a_family_a_prefix_or_everything_but_never_state(cache):
    def store_all():
        cache.set_many({PLAIN.key(id=n): n for n in (10, 11, 20)} | {SOFT.key(id=1): 1}, tags=["a"])

    with connections.guarded_client("state") as client:
        client.set("lock:x", "kept")
    store_all()
    assert cache.clear(PLAIN) == 3
    assert cache.get(SOFT.key(id=1)) == 1
    store_all()
    assert cache.clear("service-plain:1") == 2
    assert cache.clear() >= 2
    assert cache.get_many([PLAIN.key(id=20), SOFT.key(id=1)]) == {}
    with connections.guarded_client("state") as client:
        assert client.get("lock:x") == b"kept"


@pytest.mark.parametrize("prefix", ["", "lock:", "*", "service-plai", "service-plain*"])
def test_a_prefix_of_no_family_clears_nothing(cache, prefix):
    cache.set(PLAIN.key(id=1), 1)
    with pytest.raises(ValueError, match="No family of the cache role has keys that begin with"):
        cache.clear(prefix)
    assert cache.exists(PLAIN.key(id=1))


CLEARS = {
    "family": lambda: Cache().clear(LONG_KEYS),
    "prefix": lambda: Cache().clear("service-long:7"),
    "all": lambda: Cache().clear(),
    "operators": lambda: clearing.clear_family(LONG_KEYS),
    "command": lambda: call_command("clear_cache", "--family", "service-long"),
}


@pytest.mark.parametrize("part", ["short", "long" * 40])
@pytest.mark.parametrize("how", CLEARS)
def test_a_value_computed_during_a_clear_is_not_stored(cache, how, part):
    key = LONG_KEYS.key(a=f"7-{part}", b=part)
    assert cache.remember(key, None, lambda: (CLEARS[how](), "old")[1]) == "old"
    assert cache.get(key) is None
    assert cache.remember(key, None, lambda: "new") == "new"
    assert cache.get(key) == "new"


def test_a_write_through_during_a_clear_leaves_nothing(cache):
    key = PLAIN.key(id=1)
    assert cache.write_through(key, "old", lambda: Cache().clear(PLAIN)) == 0
    assert cache.get(key) is None


def test_a_text_instead_of_a_collection_of_tags_raises(cache):
    """Its letters would be taken for tags, and no invalidation would match them."""
    key, message = PLAIN.key(id=1), "Tags must be a collection of strings, not the string 'user:7'."
    for call in (
        lambda: cache.remember(key, None, CountingFactory(), tags="user:7"),
        lambda: cache.get(key, tags="user:7"),
        lambda: cache.set(key, 1, tags="user:7"),
        lambda: cache.write_through(key, 1, CountingFactory(), tags="user:7"),
        lambda: cache.invalidate_tags("user:7"),
    ):
        with pytest.raises(TypeError, match=message):
            call()


def test_a_value_that_takes_longer_than_its_lease_is_stored_the_second_time(cache, caplog):
    key, calls = BRIEF.key(id=1), []

    def outlive_the_lease():
        calls.append(1)
        if len(calls) == 1:
            end = time.monotonic() + BRIEF.options.lease_seconds
            with connections.guarded_client("cache") as client:
                while client.exists(leases.lease_key(key)) or time.monotonic() < end:
                    pass
        return len(calls)

    assert cache.remember(key, None, outlive_the_lease) == 1
    assert "A value of family service-brief took 0." in caplog.text
    assert "probably longer than its lease, and was not stored." in caplog.text
    assert not cache.exists(key)
    with connections.guarded_client("cache") as client:

        def remaining_lease_ms():
            return client.pttl(leases.lease_key(key))

        assert cache.remember(key, None, remaining_lease_ms) > 1000 * BRIEF.options.lease_seconds
    assert cache.exists(key)


def test_with_a_negative_ttl_of_zero_not_found_is_not_cached(cache):
    key, factory = NO_NEGATIVE_TTL.key(id=1), CountingFactory(NOT_FOUND)
    assert cache.remember(key, None, factory) is NOT_FOUND
    with connections.guarded_client("cache") as client:
        assert not client.exists(leases.lease_key(key))
        while client.exists(key):
            pass
    assert cache.remember(key, None, factory) is NOT_FOUND
    assert factory.calls == 2


def test_a_value_that_cannot_be_sealed_leaves_no_lease(cache, settings):
    settings.CACHE_ENCRYPTION_KEYS = ["not a Fernet key"]
    key = SECRET.key(id=1)
    with pytest.raises(ValueError, match="Fernet key must be 32 url-safe base64-encoded bytes"):
        cache.remember(key, None, CountingFactory())
    with connections.guarded_client("cache") as client:
        assert not client.exists(leases.lease_key(key))


def test_nested_factories_with_time_limits_do_not_wait_for_a_thread(cache, settings):
    """All threads of a family are busy, and each of their factories reads another value with a time limit."""
    settings.CACHE_REFRESH_THREADS = 4
    barrier = threading.Barrier(2)

    def outer(number):
        barrier.wait(10)
        return cache.remember(HARD_LIMIT.key(id=f"inner-{number}"), None, CountingFactory())

    with ThreadPoolExecutor(2) as pool:
        calls = [pool.submit(cache.remember, HARD_LIMIT.key(id=n), None, lambda n=n: outer(n)) for n in range(2)]
        assert [call.result(20) for call in calls] == [1, 1]


def test_factories_that_read_each_others_values_wait_and_then_compute_uncached(cache):
    """They wait for twice the lease; docs/cachecore.md says why such cycles are not detected."""
    barrier, one, other = threading.Barrier(2), BRIEF.key(id="one"), BRIEF.key(id="other")

    def crossing(inner):
        barrier.wait(10)
        return cache.remember(inner, None, CountingFactory())

    with ThreadPoolExecutor(2) as pool:
        calls = [pool.submit(cache.remember, a, None, lambda b=b: crossing(b)) for a, b in ((one, other), (other, one))]
        assert [call.result(20) for call in calls] == [1, 1]


@pytest.fixture
def hung(cache, settings, monkeypatch):
    """Two callers of a family whose factory hangs: one job runs, the other is queued, and a third would be refused."""
    settings.CACHE_REFRESH_THREADS = 2
    monkeypatch.setattr(refresh_pool, "MAX_QUEUED", 1)
    end, started = threading.Event(), threading.Event()

    def hang():
        started.set()
        assert end.wait(30)

    with ThreadPoolExecutor(2) as pool:
        calls = [pool.submit(cache.remember, LIMITED.key(id="hangs"), None, hang)]
        assert started.wait(10)
        calls.append(pool.submit(cache.remember, LIMITED.key(id="waits"), None, hang))
        assert [type(call.exception(10)) for call in calls] == [FactoryTimeout] * 2
        yield
        end.set()


def test_hanging_factories_of_a_family_leave_threads_to_other_families(cache, hung):
    assert cache.remember(HARD_LIMIT.key(id=1), None, CountingFactory()) == 1


def test_beyond_the_queue_a_caller_gets_the_stale_value_or_an_error_at_once(cache, hung):
    key = LIMITED.key(id=1)
    with pytest.raises(FactoryTimeout):
        cache.remember(key, None, CountingFactory())
    cache.set(key, "old")
    age(key, 2_000)
    assert cache.remember(key, None, CountingFactory()) == "old"


def test_invalid_options_raise():
    for option, message in (
        ({"lease_seconds": -1}, "lease_seconds must be greater than 0, not -1."),
        ({"soft_ttl_seconds": 0}, "soft_ttl_seconds must be greater than 0, not 0."),
        ({"negative_ttl_seconds": -1}, "negative_ttl_seconds must not be negative: -1."),
        ({"encoding": "pickle"}, "encoding must be msgpack or json, not 'pickle'."),
    ):
        with pytest.raises(ValueError, match=message):
            CacheOptions(**option)


def test_the_status_reports_the_local_cache(cache):
    cache.remember(LOCAL.key(id=1), None, CountingFactory("x"))
    status = cache.stats()
    assert (status.local_entries, status.breaker, status.pending_invalidations) == (1, "closed", 0)
    assert 600 < status.local_bytes < 1_000


def test_a_tag_version_outlives_every_value(cache):
    cache.remember(PLAIN.key(id=1), tiers.MAX_TTL_SECONDS, CountingFactory(), tags=["a"])
    with connections.guarded_client("cache") as client:
        assert client.pttl(tags.TAG_VERSION.key(name="a")) > tiers.MAX_TTL_SECONDS * 1000


def test_without_redis_set_returns_false_and_other_writes_raise(cache, count, valkey):
    valkey.stop()
    assert cache.set(PLAIN.key(id=1), 1) is False
    assert ("service-plain", "error") in count
    with pytest.raises(RedisUnavailable):
        cache.increment(PLAIN.key(id=1))
    with pytest.raises(RedisUnavailable):
        cache.invalidate_tag("a")
    with pytest.raises(RedisUnavailable):
        cache.delete(PLAIN.key(id=1))


def test_a_family_has_default_options():
    assert PLAIN.options == CacheOptions()


@pytest.mark.parametrize("kind", [HARD_LIMIT, BACKGROUND, LIMITED], ids=["hard", "background", "soft"])
def test_a_read_whose_value_another_thread_computes_is_counted_once(cache, count, kind):
    key = kind.key(id=1)
    cache.remember(key, None, CountingFactory())
    age(key, 2_000)
    cache.remember(key, None, CountingFactory())
    flight, leads = cache._flights.join_or_lead(key, (), value_missing=True)
    if not leads:
        flight.future.result(10)
    events = [event for _, event in count]
    assert len([event for event in events if event in READS]) == 2
    assert events.count("stored") == (1 if kind is HARD_LIMIT else 2)  # of HARD_LIMIT the value is still fresh
