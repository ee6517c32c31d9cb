import pickle
import re
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from cachecore import conf
from cachecore.redis_client import connections
from games.rounds import Round
from games.services import record_games


def ping() -> bool:
    with connections.guarded_client("state") as client:
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
        with pytest.raises(connections.RedisUnavailable):
            ping()
    spent = time.monotonic() - started
    valkey.resume()
    assert spent < 20 * settings.REDIS_TIMEOUT_SECONDS  # not twenty time limits
    assert connections.breaker("state").state == "open"


def test_it_recovers_by_itself(valkey):
    valkey.stop()
    with pytest.raises(connections.RedisUnavailable):
        ping()
    valkey.start()
    connections.breaker("state").record_failure()  # the latest moment at which it may have opened
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            assert ping()
            break
        except connections.RedisUnavailable:
            continue
    assert connections.breaker("state").state == "closed"


def test_a_server_busy_with_a_script_is_unavailable(valkey):
    endless = redis.Redis.from_url(valkey.url, socket_timeout=20)
    stopper = redis.Redis.from_url(valkey.url)
    stopper.config_set("busy-reply-threshold", 10)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(endless.eval, "while true do end", 0)
        with pytest.raises(connections.RedisUnavailable):
            ping_until_refused()
        stopper.script_kill()
        assert isinstance(running.exception(), redis.ResponseError)
    stopper.config_set("busy-reply-threshold", 5_000)  # the default again, for the tests that follow
    assert connections.breaker("state").state == "open"


def test_a_programming_error_is_raised_and_does_not_open_the_breaker():
    with pytest.raises(redis.ResponseError), connections.guarded_client("state") as client:
        client.execute_command("SET", "only-a-key")
    assert connections.breaker("state").state == "closed"


def log_entries(caplog):
    return [(one.levelname, one.message) for one in caplog.records if one.name == "cachecore.redis_client.connections"]


def test_an_outage_is_logged_once_when_it_begins_and_once_when_it_ends(valkey, caplog):
    valkey.stop()
    for _ in range(5):
        with pytest.raises(connections.RedisUnavailable):
            ping()
        connections.breaker("state")._opened_at -= 60  # the next call probes
    ((level, message),) = log_entries(caplog)
    assert level == "WARNING"
    assert re.fullmatch(
        r"Redis role 'state' is unavailable: ConnectionError: Error 2 connecting to .*\.sock\. No .*", message
    )
    caplog.clear()
    valkey.start()
    assert ping()
    assert ping()
    ((level, message),) = log_entries(caplog)
    assert level == "WARNING"
    assert re.fullmatch(r"Redis role 'state' is back after \d+\.\d s", message)


def test_a_wrong_password_is_logged_as_an_error_without_the_password(valkey, caplog):
    """Waiting ends an outage, but only an operator can correct a password."""
    admin = redis.Redis.from_url(valkey.url)
    admin.config_set("requirepass", "the right one")
    try:
        wrong = redis.Redis.from_url(valkey.url, password="a-secret-of-ours")
        with pytest.raises(connections.RedisUnavailable) as raised, connections.BreakerGuard("state", wrong) as client:
            client.ping()
    finally:
        admin.config_set("requirepass", "")
    assert str(raised.value).startswith("Redis role 'state': AuthenticationError: invalid username-password pair")
    (one,) = log_entries(caplog)
    assert one == ("ERROR", str(raised.value).replace("'state': ", "'state' is unavailable: "))
    assert "a-secret-of-ours" not in caplog.text


def test_without_an_alias_of_its_own_the_state_role_uses_the_caches_server(settings):
    settings.CACHES = {"default": settings.CACHES["default"]}
    assert ping()
    assert connections.alias_of("state") == "default"


def test_the_limits_have_defaults(settings):
    """A project need not set any of them."""
    for name in ("REDIS_TIMEOUT_SECONDS", "REDIS_CONNECT_TIMEOUT_SECONDS", "REDIS_BREAKER_SECONDS"):
        delattr(settings, name)
    for name in ("CACHE_STATS_FLUSH_SECONDS", "CACHE_REWARM_TOP", "CACHE_RESPONSES_OFF"):
        delattr(settings, name)
    assert (conf.timeout_seconds(), conf.connect_timeout_seconds(), conf.breaker_seconds()) == (0.25, 0.25, 1)
    assert (conf.stats_flush_seconds(), conf.rewarm_top(), conf.responses_off()) == (5, 50, ())
    connections.async_client("state")


@pytest.mark.django_db(transaction=True)
def test_responses_during_an_outage_add_nothing_to_the_log(valkey, client, caplog):
    record_games([Round(game_id=1, crash_hundredths=200)], source="test")
    valkey.stop()
    for _ in range(5):
        assert client.get("/api/games/").status_code == 200
        assert client.get("/api/analytics/occurrences/?min=2").status_code == 200
    logged = [one.message.partition(":")[0] for one in caplog.records if one.levelname != "INFO"]
    assert sorted(logged) == ["Redis role 'state' is unavailable"]


def test_it_can_be_pickled_as_the_error_of_a_task():
    error = pickle.loads(pickle.dumps(connections.RedisUnavailable("state", "TimeoutError")))  # noqa: S301
    assert (str(error), error.role) == ("Redis role 'state': TimeoutError", "state")
