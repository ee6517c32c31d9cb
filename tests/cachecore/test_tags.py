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
def test_canonical_tags_are_once_each_in_order_and_fit_into_keys(names):
    canonical = tags.canonical(names)
    assert list(canonical) == sorted(set(canonical))
    assert len(canonical) == len(set(names))
    assert all(key.isascii() and len(key) <= len("tag:") + 200 for key in tags.version_keys(canonical))


def test_the_key_of_a_tag_is_what_its_family_prints():
    assert tags.version_keys(tags.canonical(["user:1"])) == (tags.TAG_VERSION.key(name="user:1"),) == ("tag:user:1",)


def test_reading_versions_makes_those_that_are_missing_and_keeps_the_others():
    first = redis_writes.tag_versions(("a",))
    both = redis_writes.tag_versions(("a", "b"))
    assert both["a"] == first["a"]
    assert len(both["b"]) == tags.VERSION_BYTES
    with connections.guarded_client("cache") as client:
        assert client.pttl("tag:a") > tags.TAG_TTL_MS - 10_000


def test_reading_a_version_renews_its_life():
    redis_writes.tag_versions(("a",))
    with connections.guarded_client("cache") as client:
        client.pexpire("tag:a", 5_000)
        redis_writes.tag_versions(("a",))
        assert client.pttl("tag:a") > 5_000


def test_a_version_never_comes_back():
    cache = Cache()
    seen = set()
    for _ in range(200):
        cache.invalidate_tag("a")
        seen.add(redis_writes.tag_versions(("a",))["a"])
    assert len(seen) == 200


@pytest.mark.parametrize("dependants", [1, 1_000])
def test_invalidating_is_one_write_whatever_hangs_on_it(dependants):
    cache = Cache()
    cache.set_many({PLAIN.key(id=number): number for number in range(dependants)}, tags=["a"])
    cache.invalidate_tag("another")  # it connects, which is not what is counted
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
    assert cache.get_many(PLAIN.key(id=number) for number in range(dependants)) == {}


def test_a_tag_keeps_no_list_of_what_hangs_on_it():
    cache = Cache()
    cache.set_many({PLAIN.key(id=number): number for number in range(100)}, tags=["a"])
    with connections.guarded_client("cache") as client:
        assert client.strlen("tag:a") == tags.VERSION_BYTES


def test_a_clear_error_for_what_is_no_tag():
    with pytest.raises(ValueError, match="A tag must be a text that is not empty, not 5"):
        tags.canonical([5])
