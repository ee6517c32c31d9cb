from concurrent.futures import ThreadPoolExecutor

import pytest

from cachecore.locks import LOCK, LockHeld, LockLost, lock
from cachecore.redis_client import connections


def test_a_held_lock_is_refused_and_free_again_afterwards():
    with lock("job", 10):
        with pytest.raises(LockHeld), lock("job", 10):
            pass
        with lock("another job", 10):
            pass
    with lock("job", 10):
        pass


def test_it_is_released_when_its_block_fails():
    with pytest.raises(RuntimeError), lock("job", 10):
        raise RuntimeError
    with lock("job", 10):
        pass


def test_an_owner_that_lost_it_does_not_release_the_next_owners():
    with lock("job", 10), connections.guarded_client("state") as client:
        client.set(LOCK.key(name="job"), "the next owner", px=10_000)
    with connections.guarded_client("state") as client:
        assert client.get(LOCK.key(name="job")) == b"the next owner"


def test_a_lock_that_was_lost_is_told_when_it_is_renewed_and_when_its_block_ends(caplog):
    with lock("job", 10) as held:
        with connections.guarded_client("state") as client:
            client.delete(LOCK.key(name="job"))
        with pytest.raises(LockLost, match="job"):
            held.renew()
    assert "The lock job expired before its block ended; another holder may have taken it." in caplog.text


def test_renewing_begins_its_time_limit_anew():
    with lock("job", 10) as held, connections.guarded_client("state") as client:
        client.pexpire(LOCK.key(name="job"), 500)
        held.renew()
        assert client.pttl(LOCK.key(name="job")) > 500


def test_who_waits_for_a_lock_keeps_nobody_from_redis(monkeypatch):
    """The breaker is half-open: one probe goes through, and waiting must not be it."""
    with connections.guarded_client("state") as client:
        client.set(LOCK.key(name="job"), "somebody", px=10_000)
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


def test_it_has_a_time_limit():
    with lock("job", 10), connections.guarded_client("state") as client:
        assert 0 < client.pttl(LOCK.key(name="job")) <= 10_000


def test_it_fails_loudly_without_redis(valkey):
    valkey.stop()
    with pytest.raises(connections.RedisUnavailable), lock("job", 10):
        pass
