"""A reply that is lost after the server has executed its command: what would count twice is not sent again."""

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from cachecore.rate_limits.scopes import parse
from cachecore.rate_limits.windows import take_in_moving_window, take_in_sliding_window
from cachecore.redis_client import connections
from cachecore.redis_client.connections import RedisUnavailable
from cachecore.service import Cache
from tests import servers
from tests.cachecore.test_envelope import family
from tests.faults import FaultProxy

PLAIN = family("lost-reply-plain")
KEY = PLAIN.key(id=1)


@pytest.fixture
def proxy(settings):
    """A proxy that the cache role's connections go through."""
    proxy = FaultProxy()
    role = {**settings.CACHES["default"], "LOCATION": proxy.url}
    settings.CACHES = {**settings.CACHES, "default": role}
    yield proxy
    proxy.close()


@pytest.fixture
def server():
    """The server, not through the proxy."""
    with redis.Redis.from_url(servers.valkey.url) as client:
        yield client


def test_an_increment_whose_reply_is_lost_is_counted_once(cache, proxy):
    assert cache.increment(KEY) == 1
    proxy.replies_to_drop = 1
    with pytest.raises(RedisUnavailable, match="Redis role 'cache': ConnectionError"):
        cache.increment(KEY)
    connections.breaker("cache").record_success()
    assert cache.increment(KEY) == 3


def test_a_deletion_whose_reply_is_lost_returns_no_wrong_number(cache, proxy):
    cache.set(KEY, "value")
    cache.delete(PLAIN.key(id=2))
    proxy.replies_to_drop = 1
    with pytest.raises(RedisUnavailable, match="Redis role 'cache': ConnectionError"):
        cache.delete(KEY)
    connections.breaker("cache").record_success()
    assert Cache().get(KEY) is None


def test_a_value_whose_reply_is_lost_is_stored(cache, proxy):
    cache.set(KEY, "old")
    proxy.replies_to_drop = 1
    assert cache.set(KEY, "new") is True
    assert Cache().get(KEY) == "new"


@pytest.mark.parametrize("take", [take_in_sliding_window, take_in_moving_window])
def test_a_request_whose_reply_is_lost_takes_one_slot(proxy, take):
    rate = parse("5/minute")
    retry = Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,))
    with redis.Redis.from_url(proxy.url, retry=retry) as client:
        assert take(client, rate, "test", "me").remaining == 4
        proxy.replies_to_drop = 1
        with pytest.raises(redis.ConnectionError):
            take(client, rate, "test", "me")
        assert take(client, rate, "test", "me").remaining == 2


@pytest.mark.parametrize("take", [take_in_sliding_window, take_in_moving_window])
def test_a_connection_that_the_server_has_closed_is_replaced_before_a_slot_is_taken(server, take):
    rate = parse("5/minute")
    with redis.Redis.from_url(servers.valkey.url) as client:
        take(client, rate, "test", "me")
        server.client_kill_filter(_type="normal", skipme=True)
        assert take(client, rate, "test", "me").remaining == 3


def test_a_connection_that_the_server_has_closed_is_replaced_before_an_increment(cache, server):
    assert cache.increment(KEY) == 1
    server.client_kill_filter(_type="normal", skipme=True)
    assert cache.increment(KEY) == 2


def test_a_connection_with_an_unread_reply_is_replaced_before_an_increment(cache):
    assert cache.increment(KEY) == 1
    connection = connections._command_connections("cache")._idle[-1]
    connection.send_command("PING")
    connection.can_read(timeout=5)
    assert cache.increment(KEY) == 2
