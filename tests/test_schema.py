"""The OpenAPI schema is valid, and every response has exactly the fields that it describes."""

import json

import pytest
from jsonschema import Draft202012Validator

from analytics import services
from games.services import record_games
from tests import chains
from tests.openapi import generated_schema, strict

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def schema(tmp_path_factory) -> dict:
    return generated_schema(tmp_path_factory.mktemp("schema"))


PATHS = {
    "/api/games/": "?per_page=2",
    "/api/games/{game_id}/": "",
    "/api/games/{game_id}/verification/": "",
    "/api/analytics/occurrences/": "?min=2,10&hours=24&compare=previous",
    "/api/analytics/intervals/": "?min=2",
    "/api/analytics/game-sets/": "?min=2",
    "/api/analytics/series/": "?min=2,10",
    "/api/analytics/last-games/": "?min=2&limit=3",
    "/api/analytics/distribution/": "",
    "/api/analytics/volatility/": "?size=2",
    "/api/analytics/audit/": "",
    "/api/analytics/status/": "",
}


# For staff; their responses are compared with the schema in tests/cachecore/test_monitoring_api.py.
ADMIN_PATHS = {f"/api/admin/monitoring/cache/{path}/" for path in ("stats", "clear", "invalidate/{tag}")}


# Not JSON: tests/games/test_export.py, tests/analytics/test_stream.py.
STREAMED_PATHS = {"/api/games/export/", "/api/stream/"}


def test_every_path_of_the_api_is_checked_here(schema):
    play = {path for path in schema["paths"] if path.startswith("/api/play/")}  # tests/games/play/test_api_schema.py
    assert set(schema["paths"]) == set(PATHS) | ADMIN_PATHS | STREAMED_PATHS | play


@pytest.mark.parametrize("path", PATHS)
def test_a_response_matches_the_schema(client, settings, schema, path, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        record_games(chains.bcgame_rounds(3), source="test")
    services.apply_pending()
    settings.ENABLE_REDIS_RATE_LIMITING = True
    response = client.get(path.format(game_id=chains.BCGAME_LAST - 1) + PATHS[path])
    assert response.status_code == 200
    documented = schema["paths"][path]["get"]["responses"]["200"]
    assert violations(schema, documented, response) == []
    assert documented["headers"].keys() - response.headers.keys() == set()


def violations(schema, documented, response) -> list[str]:
    part = documented["content"]["application/json"]["schema"]
    validator = Draft202012Validator({**strict(part), "components": strict(schema["components"])})
    return [error.message for error in validator.iter_errors(json.loads(response.content))]


def test_every_operation_documents_its_errors(schema):
    statuses_of = {
        f"{method} {path}": [status for status in operation["responses"] if status >= "300"]
        for path, operations in schema["paths"].items()
        for method, operation in operations.items()
    }
    assert statuses_of["get /api/games/"] == ["304", "400", "404", "429", "503"]  # 404: past the last page
    assert statuses_of["get /api/games/export/"] == ["400", "429", "503"]
    assert statuses_of["get /api/games/{game_id}/"] == ["304", "400", "404", "429", "503"]
    assert statuses_of["post /api/games/"] == ["400", "401", "403", "413", "415", "429", "503"]
    assert statuses_of["delete /api/admin/monitoring/cache/clear/"] == ["400", "401", "403", "404", "503"]
    assert [name for name, statuses in statuses_of.items() if not {"400", "503"} <= set(statuses)] == []


@pytest.mark.parametrize("path", PATHS)
def test_the_error_of_an_unknown_parameter_matches_the_schema(client, schema, path):
    response = client.get(path.format(game_id=1) + "?nonsense=1")
    assert response.status_code == 400
    assert violations(schema, schema["paths"][path]["get"]["responses"]["400"], response) == []


def test_the_error_of_a_client_without_permission_matches_the_schema(client, schema):
    response = client.post("/api/games/", {"game_id": 1, "crash": 2}, content_type="application/json")
    assert response.status_code == 401
    assert violations(schema, schema["paths"]["/api/games/"]["post"]["responses"]["401"], response) == []


def test_no_crash_point_must_be_a_multiple_of_a_binary_fraction(schema):
    assert "multipleOf" not in json.dumps(schema)


def test_intervals_have_no_window_of_games(schema):
    names = {one["name"] for one in schema["paths"]["/api/analytics/intervals/"]["get"]["parameters"]}
    assert names.isdisjoint({"games", "all"})
    assert {"hours", "since", "until", "interval", "tz", "X-Timezone"} <= names


def test_hours_are_a_number(schema):
    parameters = schema["paths"]["/api/analytics/intervals/"]["get"]["parameters"]
    [hours] = [one["schema"] for one in parameters if one["name"] == "hours"]
    assert hours == {"type": "number", "minimum": 0, "exclusiveMinimum": True, "maximum": 2160}
