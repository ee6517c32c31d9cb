"""Namespace versions: they rise, never repeat, and are published."""

import pytest

from cachecore import versions
from cachecore.clock import now_ms
from cachecore.redis_client import connections
from games.keys import GAMES


def test_a_version_is_the_server_time_and_rises_with_every_call():
    before = now_ms()
    raised = [versions.raise_version(GAMES) for _ in range(100)]
    assert before <= raised[0] <= now_ms()
    assert raised == sorted(set(raised))
    assert versions.current(GAMES) == raised[-1]


def test_a_lost_version_is_replaced_by_a_higher_one():
    first = versions.raise_version(GAMES)
    with connections.guarded_client("state") as client:
        client.flushall()
    assert versions.current(GAMES) is None
    while now_ms() <= first:
        pass  # a server cannot be replaced within the same millisecond
    assert versions.raise_version(GAMES) > first


def test_a_version_ahead_of_the_clock_still_rises():
    with connections.guarded_client("state") as client:
        client.set(GAMES.key, 9_000_000_000_000)
    assert versions.raise_version(GAMES) == 9_000_000_000_001


def test_a_new_version_is_published_on_the_channel():
    with connections.guarded_client("state") as client:
        listener = client.pubsub(ignore_subscribe_messages=True)
        listener.subscribe(GAMES.channel)
        listener.get_message(timeout=1)
        version = versions.raise_version(GAMES)
        message = listener.get_message(timeout=1)
        listener.close()
    assert message["data"] == b'{"namespace":"games","version":%d}' % version


def test_raising_a_version_without_redis_raises(valkey):
    valkey.stop()
    with pytest.raises(connections.RedisUnavailable, match="Redis role 'state'"):
        versions.raise_version(GAMES)
