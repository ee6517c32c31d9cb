"""Locks: exclusion, ownership, time limits."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from cachecore.locks import LOCK, LockHeld, LockLost, lock
from cachecore.redis_client import connections


def test_a_held_lock_cannot_be_taken_until_it_is_released():
    with lock("job", 10):
        with pytest.raises(LockHeld, match="Another holder has the lock job"), lock("job", 10):
            pass
        with lock("another job", 10):
            pass
    with lock("job", 10):
        pass


def test_a_lock_is_released_if_its_block_fails():
    with pytest.raises(RuntimeError), lock("job", 10):
        raise RuntimeError
    with lock("job", 10):
        pass


def test_a_holder_that_has_lost_its_lock_does_not_release_the_next_one():
    with lock("job", 10), connections.guarded_client("state") as client:
        client.set(LOCK.key(name="job"), "the next owner", px=10_000)
    with connections.guarded_client("state") as client:
        assert client.get(LOCK.key(name="job")) == b"the next owner"


def test_a_lost_lock_raises_on_renewal_and_is_logged_at_the_end_of_its_block(caplog):
    with lock("job", 10) as held:
        with connections.guarded_client("state") as client:
            client.delete(LOCK.key(name="job"))
        with pytest.raises(LockLost, match="The lock job expired; another holder may have taken it"):
            held.renew()
    assert "The lock job expired before its block ended; another holder may have taken it." in caplog.text


def test_renewing_restarts_the_time_limit():
    with lock("job", 10) as held, connections.guarded_client("state") as client:
        client.pexpire(LOCK.key(name="job"), 500)
        held.renew()
        assert client.pttl(LOCK.key(name="job")) > 500


def test_waiting_for_a_lock_does_not_occupy_the_probe_of_the_breaker(monkeypatch):
    """The breaker is half-open: one probe is allowed, and a waiting caller must not be it."""
    with connections.guarded_client("state") as client:
        client.set(LOCK.key(name="job"), "another holder", px=10_000)
    circuit = connections.breaker("state")
    monkeypatch.setattr(circuit, "_open_seconds", 0.0)
    circuit.record_failure()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(hold_once)
        while circuit.state != "closed":
            assert not waiting.done()
        with connections.guarded_client("state") as client:
            client.delete(LOCK.key(name="job"))
        assert waiting.result(10) == "held"


def hold_once() -> str:
    with lock("job", 10, wait_seconds=5):
        return "held"


def test_a_lock_has_a_time_limit():
    with lock("job", 10), connections.guarded_client("state") as client:
        assert 0 < client.pttl(LOCK.key(name="job")) <= 10_000


def test_taking_a_lock_without_redis_raises(valkey):
    valkey.stop()
    with pytest.raises(connections.RedisUnavailable), lock("job", 10):
        pass
