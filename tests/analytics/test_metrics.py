"""The metrics of the live view. A metric whose value is unknown is omitted."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from analytics import services, tasks
from tests.analytics import games

pytestmark = pytest.mark.django_db


def view_metrics(client) -> dict[str, float]:
    text = client.get("/metrics").content.decode()
    samples = (sample for family in text_string_to_metric_families(text) for sample in family.samples)
    prefix = "crash_monitor_view_"
    return {one.name.removeprefix(prefix): one.value for one in samples if one.name.startswith(prefix)}


def test_a_current_view_has_all_metrics(client):
    games.put_all({1: (200, 0), 2: (100, 0)})
    services.apply_pending()
    games.put(2, 300)
    tasks.reconcile_newest()
    services.apply_pending()
    found = view_metrics(client)
    assert found.pop("version") > 1_700_000_000_000
    assert found == {
        "current": 1,
        "games": 2,
        "newest_game": 2,
        "pending_games": 0,
        "lag_seconds": 0,
        "drift_found_total": 1,
        "drift_repaired_total": 1,
    }


def test_without_a_view_its_metrics_are_omitted(client):
    assert view_metrics(client) == {"current": 0, "pending_games": 0}


def test_without_redis_only_the_status_is_shown(client, valkey):
    valkey.stop()
    assert view_metrics(client) == {"current": 0}
