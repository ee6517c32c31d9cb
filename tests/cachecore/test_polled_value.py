"""A value that every process follows: read at most once a second; a failure to read it never reaches the caller."""

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
    return int(client.get("polled-number") or 0)


def put(value):
    with connections.guarded_client("state") as client:
        client.set("polled-number", value)


def test_it_is_read_at_most_once_a_second(clock):
    polled = PolledValue(number, 0, monotonic=clock)
    put(1)
    assert polled.get() == 1
    put(2)
    clock.now += 1.0
    assert polled.get() == 1
    clock.now += 0.001
    assert (polled.peek(), polled.get()) == (1, 2)


@pytest.mark.parametrize(
    ("wrong", "logged"),
    [
        ("no number", "a value set by operators could not be read; the last one read stays in force"),
        ("another type", "Redis role 'state' refused GET: ResponseError: WRONGTYPE"),
    ],
)
def test_an_unreadable_value_is_logged_once_and_the_last_one_stays_in_force(wrong, logged, clock, caplog, monkeypatch):
    monkeypatch.setattr(connections, "_refusals", {})  # a refusal that was logged is not logged again for a minute
    polled = PolledValue(number, 0, monotonic=clock)
    put(1)
    assert polled.get() == 1
    with connections.guarded_client("state") as client:
        client.delete("polled-number")
        client.rpush("polled-number", "x") if wrong == "another type" else client.set("polled-number", "x")
    clock.now += 2
    assert [polled.get() for _ in range(10)] == [1] * 10
    assert caplog.text.count(logged) == 1


def test_a_wrong_setting_does_not_fail_the_caller(settings, clock):
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    assert PolledValue(number, 7, monotonic=clock).get() == 7
