import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from cachecore import connections


def ping() -> bool:
    with connections.use("state") as client:
        return client.ping()


def ping_until_refused(seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        ping()


def test_a_hung_redis_costs_one_time_limit_and_then_nothing(valkey, settings):
    ping()
    valkey.pause()
    started = time.monotonic()
    for _ in range(20):
        with pytest.raises(connections.RoleUnavailable):
            ping()
    spent = time.monotonic() - started
    valkey.resume()
    assert spent < 20 * settings.REDIS_TIMEOUT_SECONDS  # not twenty time limits
    assert connections.breaker("state").state == "open"


def test_it_recovers_without_a_hand(valkey):
    valkey.stop()
    with pytest.raises(connections.RoleUnavailable):
        ping()
    valkey.start()
    connections.breaker("state").failed()  # as late as it can have been
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            assert ping()
            break
        except connections.RoleUnavailable:
            continue
    assert connections.breaker("state").state == "closed"


def test_a_server_busy_with_a_script_counts_as_away(valkey):
    endless = redis.Redis.from_url(valkey.url, socket_timeout=20)
    stopper = redis.Redis.from_url(valkey.url)
    stopper.config_set("busy-reply-threshold", 10)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(endless.eval, "while true do end", 0)
        with pytest.raises(connections.RoleUnavailable):
            ping_until_refused()
        stopper.script_kill()
        assert isinstance(running.exception(), redis.ResponseError)
    stopper.config_set("busy-reply-threshold", 5_000)  # as it was: the server serves the tests to come
    assert connections.breaker("state").state == "open"


def test_a_fault_of_ours_stays_loud_and_opens_nothing():
    with pytest.raises(redis.ResponseError), connections.use("state") as client:
        client.execute_command("SET", "only-a-key")
    assert connections.breaker("state").state == "closed"
