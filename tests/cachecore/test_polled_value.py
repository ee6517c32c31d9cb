"""What the state role holds for every process: asked at most once a second, and never a caller's failure."""

import pytest

from cachecore.redis_client import connections
from cachecore.redis_client.polled_value import Known


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
    with connections.use("state") as client:
        client.set("known-number", value)


def test_it_asks_at_most_once_a_second(clock):
    known = Known(number, 0, monotonic=clock)
    put(1)
    assert known.now() == 1
    put(2)
    clock.now += 1.0
    assert known.now() == 1
    clock.now += 0.001
    assert (known.last(), known.now()) == (1, 2)


@pytest.mark.parametrize("wrong", ["no number", "another type"])
def test_what_cannot_be_read_is_logged_and_what_was_heard_last_holds(wrong, clock, caplog):
    known = Known(number, 0, monotonic=clock)
    put(1)
    assert known.now() == 1
    with connections.use("state") as client:
        client.delete("known-number")
        client.rpush("known-number", "x") if wrong == "another type" else client.set("known-number", "x")
    clock.now += 2
    assert [known.now() for _ in range(10)] == [1] * 10
    assert caplog.text.count("what operators have set cannot be read; what was last heard holds") == 1


def test_a_wrong_setting_is_not_the_callers_failure(settings, clock):
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    assert Known(number, 7, monotonic=clock).now() == 7
