"""GET /metrics: the same totals from any process, and always a response."""

import time

import pytest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.parser import text_string_to_metric_families

from cachecore import metrics, versions
from cachecore.redis_client import connections
from cachecore.stats import stats
from cachecore.stats.counters import Counters
from cachecore.stats.totals import Totals
from cachecore.ttl import tuning
from games.keys import GAMES

REQUESTS = "crash_monitor_cache_requests_total"


@pytest.fixture(autouse=True)
def _nothing_counted():
    stats.reset()
    yield
    stats.reset()


def scrape(client) -> dict[tuple, float]:
    """Return {(name, *label values in the order of their names): value}."""
    response = client.get("/metrics")
    assert response.status_code == 200
    assert response.headers["Content-Type"].startswith("text/plain; version=")
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(response.content.decode())
        for sample in family.samples
    }


def test_requests_by_family_and_outcome(client):
    stats.count("games-list", "hit", 3)
    stats.count("games-list", "miss")
    found = scrape(client)
    assert {key[2]: value for key, value in found.items() if key[0] == REQUESTS} == {
        "hit": 3,
        "local_hit": 0,
        "stale": 0,
        "miss": 1,
        "bypass": 0,
    }
    assert found["crash_monitor_cache_totals_complete",] == 1


def test_counters_include_every_process_and_never_fall(client):
    counters = Counters()
    another = Totals(counters)
    counters.add("games-list", "hit", 40)
    another.flush()
    stats.count("games-list", "hit", 2)
    assert scrape(client)[REQUESTS, "games-list", "hit"] == 42
    counters.add("games-list", "hit")  # not flushed yet, so no scrape includes it
    assert scrape(client)[REQUESTS, "games-list", "hit"] == 42
    assert another.read()[0]["games-list:hit"] == 43


def test_a_latency_is_a_cumulative_histogram(client):
    for seconds in (0.0001, 0.003, 7.0):
        stats.record_duration("games-list", "read", seconds)
    found = scrape(client)
    name, labels = "crash_monitor_cache_operation_seconds", ("games-list", "read")
    buckets = {key[2]: value for key, value in found.items() if key[0] == f"{name}_bucket"}
    assert (buckets["0.0001"], buckets["0.0025"], buckets["0.005"], buckets["5.0"], buckets["+Inf"]) == (1, 1, 2, 2, 3)
    assert (found[f"{name}_count", *labels], found[f"{name}_sum", *labels]) == (3, pytest.approx(7.0031))


def test_bytes_servers_breakers_and_versions(client):
    stats.record_size("games-list", 900, 300)
    version = versions.raise_version(GAMES)
    found = scrape(client)
    assert found["crash_monitor_cache_value_bytes_total", "games-list", "raw"] == 900
    assert found["crash_monitor_cache_value_bytes_total", "games-list", "stored"] == 300
    assert found["crash_monitor_namespace_version", "games"] == version
    for role in ("cache", "state"):
        assert found["crash_monitor_redis_up", role] == 1
        assert found["crash_monitor_redis_breaker_state", role] == 0
        assert found["crash_monitor_redis_memory_used_bytes", role] > 0
        assert found["crash_monitor_redis_evicted_keys_total", role] == 0
        assert found["crash_monitor_redis_keys", role] >= 1


def test_every_metric_has_its_help(client):
    stats.count("games-list", "hit")
    families = text_string_to_metric_families(client.get("/metrics").content.decode())
    assert [family.name for family in families if not family.documentation] == []


@pytest.mark.parametrize("fault", ["stop", "pause"])
def test_without_redis_it_shows_this_processs_counts_and_responds_quickly(client, valkey, fault):
    stats.count("games-list", "hit", 5)
    scrape(client)
    getattr(valkey, fault)()
    stats.count("games-list", "hit")
    started = time.monotonic()
    found = scrape(client)
    assert time.monotonic() - started < 2.0  # one time limit of 0.25 s per role, plus the delays of a busy machine
    assert found[REQUESTS, "games-list", "hit"] == 6
    assert found["crash_monitor_cache_totals_complete",] == 0
    for role in ("cache", "state"):
        assert (found["crash_monitor_redis_up", role], found["crash_monitor_redis_breaker_state", role]) == (0, 2)
        assert ("crash_monitor_redis_keys", role) not in found


def test_an_app_adds_its_metrics_and_a_failing_collector_loses_only_its_own(client, monkeypatch, caplog):
    ours = {name: one for name, one in metrics._collectors.items() if name.startswith("cachecore.")}
    monkeypatch.setattr(metrics, "_collectors", ours)

    @metrics.register
    def lag():
        yield GaugeMetricFamily("crash_monitor_lag_seconds", "Lag.", value=1.5)

    @metrics.register
    def broken():
        yield GaugeMetricFamily("crash_monitor_half", "Never seen.", value=1)
        raise ZeroDivisionError

    found = scrape(client)
    assert found["crash_monitor_lag_seconds",] == 1.5
    assert ("crash_monitor_half",) not in found
    up = {key[1].rpartition(".")[2]: value for key, value in found.items() if key[0] == "crash_monitor_collector_up"}
    assert up == {"cache_use": 1, "servers": 1, "versions": 1, "tuned": 1, "lag": 1, "broken": 0}
    assert "broken failed" in caplog.text


def test_a_tuned_ttl_and_its_target(client, settings):
    settings.CACHE_TUNING = {"games-list": 0.9}
    tuning.update_steps()
    assert scrape(client)["crash_monitor_cache_tuned_ttl_seconds", "games-list"] == 20
    assert scrape(client)["crash_monitor_cache_tuned_target_ratio", "games-list"] == 0.9


def test_only_reading_is_allowed(client):
    assert client.post("/metrics").status_code == 405


def test_a_scrape_leaves_no_breaker_open(client):
    scrape(client)
    assert [connections.breaker(role).state for role in ("cache", "state")] == ["closed", "closed"]
