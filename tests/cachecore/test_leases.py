"""The lease scripts: return shapes, TTLs, boundaries, and two clients."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from cachecore import tags
from cachecore.redis_client import connections
from cachecore.storage import leases, redis_writes
from cachecore.storage.leases import Acquired, HeldByOther, ValueChanged

KEY = "leased:1"
NAMES = ("a", "b")


def take(seen=b"", names=NAMES, seconds=5.0):
    token, call = leases.acquire(KEY, names, seen, seconds)
    return leases.parse_acquire_reply(token, names, redis_writes.run(call))


def client():
    return connections.guarded_client("cache")


def test_the_first_takes_it_and_learns_the_versions():
    taken = take()
    assert isinstance(taken, Acquired)
    assert list(taken.versions) == ["a", "b"]
    assert taken.content[leases.TOKEN_BYTES :] == taken.versions["a"] + taken.versions["b"]
    with client() as server:
        assert server.get("tag:a") == taken.versions["a"]
        assert server.get("lease:leased:1") == taken.content
        assert 4_000 < server.pttl("lease:leased:1") <= 5_000
        assert server.pttl("tag:a") > tags.TAG_TTL_MS - 10_000


def test_the_second_learns_how_long_to_wait_at_most():
    take()
    held = take()
    assert isinstance(held, HeldByOther)
    assert 4.0 < held.seconds <= 5.0


def test_who_asks_again_because_the_reply_was_lost_does_not_wait_for_itself():
    token, call = leases.acquire(KEY, NAMES, b"", 5.0)
    first, again = (leases.parse_acquire_reply(token, NAMES, redis_writes.run(call)) for _ in range(2))
    assert isinstance(first, Acquired)
    assert again == first


def test_of_many_at_once_one_takes_it():
    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(lambda _: take(), range(40)))
    assert [type(outcome) for outcome in outcomes].count(Acquired) == 1


def test_a_value_that_appeared_meanwhile_is_to_be_read_first():
    with client() as server:
        server.set(KEY, b"0123456789 and more")
        assert isinstance(take(seen=b""), ValueChanged)
        assert isinstance(take(seen=b"0123456788"), ValueChanged)
        assert not server.exists("lease:leased:1")
    assert isinstance(take(seen=b"0123456789"), Acquired)


def test_a_holder_that_read_older_versions_is_overtaken_at_once():
    doomed = take()
    with client() as server:
        server.set("tag:b", b"87654321")
    taken = take()
    assert isinstance(taken, Acquired)
    assert redis_writes.run(leases.store(KEY, doomed.content, doomed.versions, b"old", 1_000)) == 0
    assert redis_writes.run(leases.store(KEY, taken.content, taken.versions, b"new", 1_000)) == 1


def test_the_holder_stores_ends_its_lease_and_leaves_the_latch():
    taken = take()
    assert redis_writes.run(leases.store(KEY, taken.content, taken.versions, b"value", 1_000)) == 1
    with client() as server:
        assert server.get(KEY) == b"value"
        assert 0 < server.pttl(KEY) <= 1_000
        assert not server.exists("lease:leased:1")
        assert server.lrange("latch:leased:1", 0, -1) == [b"1"]
        assert 0 < server.pttl("latch:leased:1") <= leases.LATCH_MS


@pytest.mark.parametrize("loss", ["delete", "set", "expire", "tag", "missing tag", "flush"])
def test_who_lost_the_lease_stores_nothing(loss):
    taken = take()
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
        assert redis_writes.run(leases.store(KEY, taken.content, taken.versions, b"late", 1_000)) == 0
        assert server.get(KEY) == (b"set" if loss == "set" else None)


def test_a_lost_version_wakes_the_waiters_all_the_same():
    taken = take()
    with client() as server:
        server.delete("tag:a")
        redis_writes.run(leases.store(KEY, taken.content, taken.versions, b"late", 1_000))
        assert server.exists("latch:leased:1", "lease:leased:1") == 1  # the latch


def test_who_lost_the_lease_does_not_end_the_next_holders():
    first = take()
    redis_writes.write({KEY: (b"", 0)})
    second = take()
    redis_writes.run(leases.release(KEY, first.content))
    assert redis_writes.run(leases.store(KEY, second.content, second.versions, b"value", 1_000)) == 1


def test_one_element_wakes_all_who_wait_and_all_who_come_late(settings):
    taken = take()
    patient = redis.Redis.from_url(settings.CACHES["default"]["LOCATION"])  # without our time limits

    def wait():
        return patient.blmove("latch:leased:1", "latch:leased:1", 30, "LEFT", "RIGHT")

    with ThreadPoolExecutor(6) as pool:
        waiting = [pool.submit(wait) for _ in range(6)]
        while patient.info("clients")["blocked_clients"] < 6:
            pass
        redis_writes.run(leases.release(KEY, taken.content))
        assert [one.result() for one in waiting] == [b"1"] * 6
    assert wait() == b"1"
    patient.close()


def test_a_new_lease_takes_the_old_latch_away():
    taken = take()
    redis_writes.run(leases.release(KEY, taken.content))
    take()
    with client() as server:
        assert not server.exists("latch:leased:1")


def test_writing_says_how_many_stood_there_and_leaves_no_latch_where_nobody_waits():
    with client() as server:
        server.set("leased:2", "x")
        assert redis_writes.write({"leased:2": (b"", 0), "leased:3": (b"new", 1_000)}) == 1
        assert server.mget("leased:2", "leased:3") == [None, b"new"]
        assert not server.exists("latch:leased:2", "latch:leased:3")


def test_counting_ends_the_lease_and_wakes_who_waits():
    taken = take()
    assert [redis_writes.run(leases.increment(KEY, amount, 1_000)) for amount in (2, 3)] == [2, 5]
    assert redis_writes.run(leases.store(KEY, taken.content, taken.versions, b"late", 1_000)) == 0
    with client() as server:
        assert (server.get(KEY), server.exists("lease:leased:1")) == (b"5", 0)
        assert 0 < server.pttl(KEY) <= 1_000
        assert server.lrange("latch:leased:1", 0, -1) == [b"1"]
        assert 0 < server.pttl("latch:leased:1") <= leases.LATCH_MS


def test_a_counter_of_another_kind_is_an_error_and_stays_as_it_is():
    with client() as server:
        server.set(KEY, b"\xc1text")
    with pytest.raises(Exception, match="value is not an integer"):
        redis_writes.run(leases.increment(KEY, 1, 1_000))
    with client() as server:
        assert (server.get(KEY), server.pttl(KEY)) == (b"\xc1text", -1)
