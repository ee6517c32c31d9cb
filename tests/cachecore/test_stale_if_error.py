"""A failing factory: when the stale value is served, how often it is retried, which errors are authoritative."""

import pytest
from django.core.exceptions import ObjectDoesNotExist, PermissionDenied
from django.http import Http404

from cachecore.read_through.stale_if_error import DoNotServeStale
from cachecore.redis_client import connections
from cachecore.service import Cache
from tests.cachecore.test_envelope import family
from tests.cachecore.test_service import age

SOFT = family("failing-soft", soft_ttl_seconds=1, beta=0)
LOCAL = family("failing-local", soft_ttl_seconds=1, beta=0, local=True)
KEY = SOFT.key(id=1)


class Failing:
    def __init__(self, error):
        self.error = error
        self.calls = 0

    def __call__(self):
        self.calls += 1
        raise self.error


@pytest.mark.parametrize("error", [ObjectDoesNotExist, Http404, PermissionDenied])
@pytest.mark.parametrize("kind", [SOFT, LOCAL], ids=["remote", "local"])
def test_an_authoritative_error_is_raised_and_deletes_the_stale_value(cache, kind, error):
    key = kind.key(id=1)
    cache.set(key, "old")
    age(key, 2_000)
    assert cache.get(key) == "old"
    with pytest.raises(error):
        cache.remember(key, None, Failing(error()))
    assert (cache.get(key), Cache().get(key)) == (None, None)
    assert cache.remember(key, None, lambda: "found again") == "found again"


def test_do_not_serve_stale_is_raised_and_leaves_the_stale_value_to_others(cache, caplog):
    cache.set(KEY, "old")
    age(KEY, 2_000)
    with pytest.raises(DoNotServeStale):
        cache.remember(KEY, None, Failing(DoNotServeStale()))
    assert "failed; its stale value is served" not in caplog.text
    assert cache.get(KEY) == "old"
    assert cache.remember(KEY, None, lambda: "new") == "new"


@pytest.mark.parametrize("error", [ObjectDoesNotExist, DoNotServeStale])
def test_such_an_error_is_raised_while_redis_is_unavailable_too(valkey, error):
    local = Cache(local_seconds=1e-9)
    local.remember(LOCAL.key(id=1), None, lambda: "old")
    valkey.stop()
    assert local.remember(LOCAL.key(id=1), None, Failing(RuntimeError())) == "old"
    with pytest.raises(error):
        local.remember(LOCAL.key(id=1), None, Failing(error()))


def test_while_there_is_a_stale_value_a_failing_factory_is_retried_once_per_lease(cache):
    factory = Failing(RuntimeError("the database is down"))
    cache.set(KEY, "old")
    age(KEY, 2_000)
    processes = [cache, Cache(), Cache()]
    assert [process.remember(KEY, None, factory) for process in processes for _ in range(5)] == ["old"] * 15
    assert factory.calls == 1
    with connections.guarded_client("cache") as client:
        assert 0 < client.pttl(f"lease:{KEY}") <= 5_000
        client.delete(f"lease:{KEY}")  # as if it had expired
    assert cache.remember(KEY, None, lambda: "new") == "new"


def test_an_invalidated_value_does_not_wait_for_the_lease_of_a_failed_factory(cache):
    cache.set(KEY, "old", tags=["a"])
    age(KEY, 2_000)
    assert cache.remember(KEY, None, Failing(RuntimeError()), tags=["a"]) == "old"
    cache.invalidate_tag("a")
    assert cache.remember(KEY, None, lambda: "new", tags=["a"]) == "new"
    assert Cache().get(KEY) == "new"  # stored: the lease under the old tag version was replaced
