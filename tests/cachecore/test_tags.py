"""Tags: canonical names, versions, the cost of an invalidation."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachecore import tags
from cachecore.redis_client import connections
from cachecore.service import Cache
from cachecore.storage import redis_writes
from tests.cachecore.test_envelope import family

PLAIN = family("tags-plain")


@given(st.lists(st.text(min_size=1), max_size=8))
def test_canonical_tags_are_unique_sorted_and_short(names):
    canonical = tags.canonical(names)
    assert list(canonical) == sorted(set(canonical))
    assert len(canonical) == len(set(names))
    assert all(key.isascii() and len(key) <= len("tag:") + 200 for key in tags.version_keys(canonical))


def test_the_key_of_a_tag_is_that_of_its_family():
    assert tags.version_keys(tags.canonical(["user:1"])) == (tags.TAG_VERSION.key(name="user:1"),) == ("tag:user:1",)


def test_reading_versions_creates_missing_ones_and_keeps_the_others():
    first = redis_writes.tag_versions(("a",))
    both = redis_writes.tag_versions(("a", "b"))
    assert both["a"] == first["a"]
    assert len(both["b"]) == tags.VERSION_BYTES
    with connections.guarded_client("cache") as client:
        assert client.pttl("tag:a") > tags.TAG_TTL_MS - 10_000


def test_reading_a_version_renews_its_ttl():
    redis_writes.tag_versions(("a",))
    with connections.guarded_client("cache") as client:
        client.pexpire("tag:a", 5_000)
        redis_writes.tag_versions(("a",))
        assert client.pttl("tag:a") > 5_000


def test_a_version_never_repeats():
    cache = Cache()
    versions = set()
    for _ in range(200):
        cache.invalidate_tag("a")
        versions.add(redis_writes.tag_versions(("a",))["a"])
    assert len(versions) == 200


@pytest.mark.parametrize("values", [1, 1_000])
def test_invalidating_a_tag_is_one_write_for_any_number_of_values(values):
    cache = Cache()
    cache.set_many({PLAIN.key(id=number): number for number in range(values)}, tags=["a"])
    cache.invalidate_tag("another")  # opens the connection, which is not counted
    with connections.guarded_client("cache") as client:
        before = client.info("commandstats")
        cache.invalidate_tag("a")
        after = client.info("commandstats")
    used = {name: after[name]["calls"] - before.get(name, {"calls": 0})["calls"] for name in after}
    assert {name: calls for name, calls in used.items() if calls} == {
        "cmdstat_set": 1,
        "cmdstat_publish": 1,
        "cmdstat_info": 1,
    }
    assert cache.get_many(PLAIN.key(id=number) for number in range(values)) == {}


def test_a_tag_keeps_no_list_of_its_values():
    cache = Cache()
    cache.set_many({PLAIN.key(id=number): number for number in range(100)}, tags=["a"])
    with connections.guarded_client("cache") as client:
        assert client.strlen("tag:a") == tags.VERSION_BYTES


def test_an_invalid_tag_raises():
    with pytest.raises(ValueError, match="A tag must be a text that is not empty, not 5"):
        tags.canonical([5])
