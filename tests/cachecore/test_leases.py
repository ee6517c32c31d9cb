"""The lease scripts: replies, TTLs, limits, and two clients."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from cachecore import tags
from cachecore.redis_client import connections
from cachecore.storage import leases, redis_writes
from cachecore.storage.leases import Acquired, HeldByOther, ValueChanged

KEY = "leased:1"
NAMES = ("a", "b")


def take(header=b"", names=NAMES, seconds=5.0):
    token, call = leases.acquire(KEY, names, header, seconds)
    return leases.parse_acquire_reply(token, names, redis_writes.run(call))


def client():
    return connections.guarded_client("cache")


def test_the_first_caller_takes_the_lease_and_gets_the_tag_versions():
    lease = take()
    assert isinstance(lease, Acquired)
    assert list(lease.versions) == ["a", "b"]
    assert lease.content[leases.TOKEN_BYTES :] == lease.versions["a"] + lease.versions["b"]
    with client() as server:
        assert server.get("tag:a") == lease.versions["a"]
        assert server.get("lease:leased:1") == lease.content
        assert 4_000 < server.pttl("lease:leased:1") <= 5_000
        assert server.pttl("tag:a") > tags.TAG_TTL_MS - 10_000


def test_the_second_caller_gets_the_remaining_time_of_the_lease():
    take()
    held = take()
    assert isinstance(held, HeldByOther)
    assert 4.0 < held.seconds <= 5.0


def test_a_call_repeated_after_a_lost_reply_gets_the_same_lease():
    token, call = leases.acquire(KEY, NAMES, b"", 5.0)
    first, again = (leases.parse_acquire_reply(token, NAMES, redis_writes.run(call)) for _ in range(2))
    assert isinstance(first, Acquired)
    assert again == first


def test_of_many_concurrent_callers_one_takes_the_lease():
    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(lambda _: take(), range(40)))
    assert [type(outcome) for outcome in outcomes].count(Acquired) == 1


def test_a_value_that_has_changed_must_be_read_first():
    with client() as server:
        server.set(KEY, b"0123456789 and more")
        assert isinstance(take(header=b""), ValueChanged)
        assert isinstance(take(header=b"0123456788"), ValueChanged)
        assert not server.exists("lease:leased:1")
    assert isinstance(take(header=b"0123456789"), Acquired)


def test_a_lease_with_an_old_tag_version_is_replaced_at_once():
    old = take()
    with client() as server:
        server.set("tag:b", b"87654321")
    lease = take()
    assert isinstance(lease, Acquired)
    assert redis_writes.run(leases.store(KEY, old.content, old.versions, b"old", 1_000)) == 0
    assert redis_writes.run(leases.store(KEY, lease.content, lease.versions, b"new", 1_000)) == 1


def test_storing_ends_the_lease_and_opens_the_latch():
    lease = take()
    assert redis_writes.run(leases.store(KEY, lease.content, lease.versions, b"value", 1_000)) == 1
    with client() as server:
        assert server.get(KEY) == b"value"
        assert 0 < server.pttl(KEY) <= 1_000
        assert not server.exists("lease:leased:1")
        assert server.lrange("latch:leased:1", 0, -1) == [b"1"]
        assert 0 < server.pttl("latch:leased:1") <= leases.LATCH_MS


@pytest.mark.parametrize("loss", ["delete", "set", "expire", "tag", "missing tag", "flush"])
def test_a_holder_that_has_lost_its_lease_stores_nothing(loss):
    lease = take()
    with client() as server:
        match loss:
            case "delete":
                redis_writes.write({KEY: (b"", 0)})
            case "set":
                redis_writes.write({KEY: (b"set", 1_000)})
            case "expire":
                server.delete("lease:leased:1")
            case "tag":
                server.set("tag:a", b"87654321")
            case "missing tag":
                server.delete("tag:a")
            case "flush":
                server.flushall()
        assert redis_writes.run(leases.store(KEY, lease.content, lease.versions, b"late", 1_000)) == 0
        assert server.get(KEY) == (b"set" if loss == "set" else None)


def test_a_lost_tag_version_wakes_the_waiters():
    lease = take()
    with client() as server:
        server.delete("tag:a")
        redis_writes.run(leases.store(KEY, lease.content, lease.versions, b"late", 1_000))
        assert server.exists("latch:leased:1", "lease:leased:1") == 1  # the latch


def test_a_holder_that_has_lost_its_lease_does_not_end_the_next_one():
    first = take()
    redis_writes.write({KEY: (b"", 0)})
    second = take()
    redis_writes.run(leases.release(KEY, first.content))
    assert redis_writes.run(leases.store(KEY, second.content, second.versions, b"value", 1_000)) == 1


def test_one_element_of_the_latch_wakes_all_waiters_and_later_ones(settings):
    lease = take()
    unlimited = redis.Redis.from_url(settings.CACHES["default"]["LOCATION"])  # without time limits

    def wait():
        return unlimited.blmove("latch:leased:1", "latch:leased:1", 30, "LEFT", "RIGHT")

    with ThreadPoolExecutor(6) as pool:
        waiting = [pool.submit(wait) for _ in range(6)]
        while unlimited.info("clients")["blocked_clients"] < 6:
            pass
        redis_writes.run(leases.release(KEY, lease.content))
        assert [one.result() for one in waiting] == [b"1"] * 6
    assert wait() == b"1"
    unlimited.close()


def test_a_new_lease_deletes_the_old_latch():
    lease = take()
    redis_writes.run(leases.release(KEY, lease.content))
    take()
    with client() as server:
        assert not server.exists("latch:leased:1")


def test_writing_returns_how_many_values_existed_and_leaves_no_latch_without_a_lease():
    with client() as server:
        server.set("leased:2", "x")
        assert redis_writes.write({"leased:2": (b"", 0), "leased:3": (b"new", 1_000)}) == 1
        assert server.mget("leased:2", "leased:3") == [None, b"new"]
        assert not server.exists("latch:leased:2", "latch:leased:3")


def test_incrementing_ends_the_lease_and_wakes_the_waiters():
    lease = take()
    assert [redis_writes.run(leases.increment(KEY, amount, 1_000)) for amount in (2, 3)] == [b"2", b"5"]
    assert redis_writes.run(leases.store(KEY, lease.content, lease.versions, b"late", 1_000)) == 0
    with client() as server:
        assert (server.get(KEY), server.exists("lease:leased:1")) == (b"5", 0)
        assert 0 < server.pttl(KEY) <= 1_000
        assert server.lrange("latch:leased:1", 0, -1) == [b"1"]
        assert 0 < server.pttl("latch:leased:1") <= leases.LATCH_MS


def test_incrementing_a_value_that_is_not_an_integer_raises_and_leaves_it_unchanged():
    with client() as server:
        server.set(KEY, b"\xc1text")
    with pytest.raises(Exception, match="value is not an integer"):
        redis_writes.run(leases.increment(KEY, 1, 1_000))
    with client() as server:
        assert (server.get(KEY), server.pttl(KEY)) == (b"\xc1text", -1)
