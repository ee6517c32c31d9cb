"""Every answer of the step game is what OpenAPI says, errors included."""

import pytest
from django.test import Client
from jsonschema import Draft202012Validator

from games.play.models import Account, Bet
from tests.games.play.api import Player
from tests.games.play.playing import deal_free_steps, make_agent
from tests.openapi import generated_schema, strict

pytestmark = pytest.mark.django_db

OPTIONAL_IN_ERRORS = {"errors", "session", "limit", "until"}
ERROR = "PlayError"


@pytest.fixture(scope="module")
def schema(tmp_path_factory) -> dict:
    return generated_schema(tmp_path_factory.mktemp("schema"))


@pytest.fixture
def player():
    return Player()


def wrong(schema, path: str, method: str, response) -> list[str]:
    """Return what contradicts the schema: an undocumented status, or a body of another shape."""
    documented = schema["paths"][f"/api/play/{path}"][method]["responses"]
    if str(response.status_code) not in documented:
        return [f"status {response.status_code} is not documented"]
    components = strict(schema["components"])
    error = components["schemas"][ERROR]
    error["required"] = sorted(error["properties"].keys() - OPTIONAL_IN_ERRORS)
    part = documented[str(response.status_code)]["content"]["application/json"]["schema"]
    validator = Draft202012Validator({**strict(part), "components": components})
    return [error.message for error in validator.iter_errors(response.json())]


def open_bet(player) -> int:
    deal_free_steps(player.caller, "EASY", 2)
    return player.bet().json()["bet_id"]


def calls(player) -> dict[tuple[str, str, int], object]:
    """Return one call per operation and status, made in an order that leads through a game."""
    seeds = {"client_seed": "0" * 16}
    return {
        ("session/", "get", 404): lambda: player.get("session/"),
        ("config/", "get", 200): lambda: player.get("config/"),
        ("config/", "get", 400): lambda: player.get("config/?x=1"),
        ("audit/", "get", 200): lambda: player.get("audit/"),
        ("guest/", "post", 200): lambda: player.post("guest/"),
        ("guest/", "post", 201): lambda: Client().post("/api/play/guest/", {}, "application/json"),
        ("guest/", "post", 400): lambda: player.post("guest/", {"x": 1}),
        ("seeds/", "get", 200): lambda: player.get("seeds/"),
        ("seeds/", "put", 200): lambda: player.put("seeds/", seeds),
        ("seeds/", "put", 400): lambda: player.put("seeds/", {}),
        ("balance/", "get", 200): lambda: player.get("balance/"),
        ("balance/", "get", 400): lambda: player.get("balance/?currency=INR"),
        ("limits/", "get", 200): lambda: player.get("limits/"),
        ("limits/", "put", 200): lambda: player.put("limits/", {"stake_per_day": "1.00", "minutes_per_day": 9}),
        ("bets/", "post", 201): lambda: player.bet(key="k"),
        ("bets/", "post", 422): lambda: player.bet("0.50", key="k"),
        ("bets/", "post", 409): lambda: player.bet(),
        ("seeds/", "put", 409): lambda: player.put("seeds/", seeds),
        ("session/", "get", 200): lambda: player.get("session/"),
        ("session/cashout/", "post", 409): lambda: player.cash_out(newest()),
        ("session/step/", "post", 200): lambda: player.step(newest(), 1),
        ("session/step/", "post", 404): lambda: player.step(newest() + 1, 1),
        ("session/step/", "post", 409): lambda: player.step(newest(), 5),
        ("session/step/", "post", 400): lambda: player.step(newest(), "one"),
        ("bets/{bet_id}/verification/", "get", 200): lambda: player.get(f"bets/{newest()}/verification/"),
        ("session/cashout/", "post", 200): lambda: player.cash_out(newest()),
        ("session/cashout/", "post", 404): lambda: player.cash_out(newest() + 1),
        ("session/cashout/", "post", 400): lambda: player.cash_out(newest(), key=None),
        ("bets/", "post", 403): lambda: player.bet(),  # the limit is reached
        ("bets/", "get", 200): lambda: player.get("bets/"),
        ("bets/", "get", 404): lambda: player.get("bets/?page=9"),
        ("bets/{bet_id}/", "get", 200): lambda: player.get(f"bets/{newest()}/"),
        ("bets/{bet_id}/", "get", 404): lambda: player.get(f"bets/{newest() + 1}/"),
        ("transactions/", "get", 200): lambda: player.get("transactions/"),
        ("transactions/", "get", 404): lambda: player.get("transactions/?page=9"),
        ("transactions/{transaction_id}/", "get", 200): lambda: player.get(f"transactions/{transaction()}/"),
        ("transactions/{transaction_id}/", "get", 404): lambda: player.get("transactions/none/"),
        ("topup/", "post", 409): lambda: player.post("topup/"),
        ("topup/", "post", 201): lambda: empty(player),
        ("balance/", "get", 401): lambda: Client().get("/api/play/balance/"),
        ("limits/", "put", 401): lambda: Client().put("/api/play/limits/", {}, "application/json"),
    }


def newest() -> int:
    return Bet.objects.latest("pk").pk


def transaction() -> str:
    return Bet.objects.latest("pk").transaction_id


def empty(player):
    Account.objects.filter(user=player.caller.user, kind="player").update(balance_e4=0)
    return player.post("topup/")


def test_every_answer_of_a_game_is_as_documented(schema, player):
    make_agent("other")
    deal_free_steps(player.caller, "EASY", 2)
    found = {}
    for (path, method, status), call in calls(player).items():
        if (path, method, status) == ("bets/", "post", 201):
            deal_free_steps(player.caller, "EASY", 2)
        response = call()
        assert response.status_code == status, (path, method, response.content)
        found[path, method, status] = wrong(schema, path, method, response)
    assert {call: messages for call, messages in found.items() if messages} == {}


def test_every_operation_is_called_above(schema, player):
    operations = {
        (path.removeprefix("/api/play/"), method)
        for path, methods in schema["paths"].items()
        if path.startswith("/api/play/")
        for method in methods
    }
    assert operations == {(path, method) for path, method, _ in calls(player)}


def test_the_errors_of_each_operation_are_documented(schema):
    documented = {
        f"{method} {path.removeprefix('/api/play/')}": [status for status in operation["responses"] if status >= "300"]
        for path, methods in schema["paths"].items()
        if path.startswith("/api/play/")
        for method, operation in methods.items()
    }
    assert documented["get config/"] == ["400", "429", "503"]
    assert documented["get session/"] == ["400", "401", "403", "404", "429", "503"]
    assert documented["post bets/"] == [
        *("400", "401", "403", "409", "413", "415", "422", "429", "502", "503"),
    ]
    assert documented["post session/step/"] == ["400", "401", "403", "404", "409", "413", "415", "429", "503"]
