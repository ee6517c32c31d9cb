"""What the state role holds for every process: asked at most once a second, and never a caller's failure."""

import pytest

from cachecore.redis_client import connections
from cachecore.redis_client.polled_value import PolledValue


class Clock:
    now = 1_000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def number(client):
    return int(client.get("known-number") or 0)


def put(value):
    with connections.guarded_client("state") as client:
        client.set("known-number", value)


def test_it_asks_at_most_once_a_second(clock):
    known = PolledValue(number, 0, monotonic=clock)
    put(1)
    assert known.get() == 1
    put(2)
    clock.now += 1.0
    assert known.get() == 1
    clock.now += 0.001
    assert (known.peek(), known.get()) == (1, 2)


@pytest.mark.parametrize("wrong", ["no number", "another type"])
def test_what_cannot_be_read_is_logged_and_what_was_heard_last_holds(wrong, clock, caplog):
    known = PolledValue(number, 0, monotonic=clock)
    put(1)
    assert known.get() == 1
    with connections.guarded_client("state") as client:
        client.delete("known-number")
        client.rpush("known-number", "x") if wrong == "another type" else client.set("known-number", "x")
    clock.now += 2
    assert [known.get() for _ in range(10)] == [1] * 10
    assert caplog.text.count("what operators have set cannot be read; what was last heard holds") == 1


def test_a_wrong_setting_is_not_the_callers_failure(settings, clock):
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    assert PolledValue(number, 7, monotonic=clock).get() == 7
