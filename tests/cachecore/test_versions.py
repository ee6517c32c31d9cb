import pytest

from cachecore import versions
from cachecore.clock import now_ms
from cachecore.redis_client import connections
from games.keys import GAMES


def test_a_version_is_the_time_and_rises_with_every_raise():
    before = now_ms()
    raised = [versions.raise_version(GAMES) for _ in range(100)]
    assert before <= raised[0] <= now_ms()
    assert raised == sorted(set(raised))
    assert versions.current(GAMES) == raised[-1]


def test_a_lost_version_comes_back_higher():
    first = versions.raise_version(GAMES)
    with connections.guarded_client("state") as client:
        client.flushall()
    assert versions.current(GAMES) is None
    while now_ms() <= first:
        pass  # a server that was lost has been away for longer than this millisecond
    assert versions.raise_version(GAMES) > first


def test_a_version_ahead_of_the_clock_still_rises():
    with connections.guarded_client("state") as client:
        client.set(GAMES.key, 9_000_000_000_000)
    assert versions.raise_version(GAMES) == 9_000_000_000_001


def test_a_raise_is_told_on_the_channel():
    with connections.guarded_client("state") as client:
        listener = client.pubsub(ignore_subscribe_messages=True)
        listener.subscribe(GAMES.channel)
        listener.get_message(timeout=1)
        version = versions.raise_version(GAMES)
        message = listener.get_message(timeout=1)
        listener.close()
    assert message["data"] == b'{"namespace":"games","version":%d}' % version


def test_raising_fails_loudly_without_redis(valkey):
    valkey.stop()
    with pytest.raises(connections.RedisUnavailable, match="Redis role 'state'"):
        versions.raise_version(GAMES)
