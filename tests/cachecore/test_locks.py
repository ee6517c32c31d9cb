import pytest

from cachecore import connections
from cachecore.locks import LOCK, LockHeld, lock


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
    with lock("job", 10), connections.use("state") as client:
        client.set(LOCK.key(name="job"), "the next owner", px=10_000)
    with connections.use("state") as client:
        assert client.get(LOCK.key(name="job")) == b"the next owner"


def test_it_has_a_time_limit():
    with lock("job", 10), connections.use("state") as client:
        assert 0 < client.pttl(LOCK.key(name="job")) <= 10_000


def test_it_fails_loudly_without_redis(valkey):
    valkey.stop()
    with pytest.raises(connections.RoleUnavailable), lock("job", 10):
        pass
