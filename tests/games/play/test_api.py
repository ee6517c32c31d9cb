"""The API: who may call what, and what it answers."""

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError, connection
from django.test import Client

from games.play.models import Account, AgentCurrency, Bet, IdempotentRequest, Seeds
from tests.factories.tokens import token_for
from tests.games.play.api import Player
from tests.games.play.playing import deal_free_steps, deal_hazard_at, expire, make_agent, run_jobs

pytestmark = pytest.mark.django_db

CLIENT_SEED = "0123456789abcdef"
OWN = ["balance/", "transactions/", "transactions/x/", "seeds/", "bets/", "bets/1/", "bets/1/verification/", "session/"]
OWN += ["limits/"]
PUBLIC = ["config/", "audit/"]


@pytest.fixture
def player():
    return Player()


def play(player, steps: int = 1, amount: str = "1.00") -> int:
    deal_free_steps(player.caller, "EASY", steps)
    bet_id = player.bet(amount).json()["bet_id"]
    for number in range(1, steps + 1):
        assert player.step(bet_id, number).status_code == 200
    return bet_id


@pytest.mark.parametrize("path", PUBLIC)
def test_everybody_may_read_the_rules_and_the_audit(client, path):
    assert client.get(f"/api/play/{path}").status_code == 200


@pytest.mark.parametrize("path", OWN)
def test_everything_else_needs_a_player(client, path):
    response = client.get(f"/api/play/{path}")
    assert (response.status_code, response.json()["code"]) == (401, "not_authenticated")


@pytest.mark.parametrize("path", ["bets/", "session/step/", "session/cashout/", "topup/"])
def test_writing_needs_a_player_too(client, path):
    response = client.post(f"/api/play/{path}", {}, "application/json")
    assert (response.status_code, response.json()["code"]) == (401, "not_authenticated")


def test_a_token_for_something_else_does_not_play():
    text = token_for(User.objects.create(username="feeder"), "ingest")
    response = Client(headers={"Authorization": f"Token {text}"}).get("/api/play/session/")
    assert (response.status_code, response.json()["code"]) == (403, "permission_denied")


def test_a_session_plays_with_its_csrf_token_only():
    user = User.objects.create(username="ada")
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(user)
    assert browser.get("/api/play/balance/").json()["balance"] == "1000.00"
    response = browser.post("/api/play/bets/", {}, "application/json")
    assert (response.status_code, response.json()["code"]) == (403, "csrf_failed")
    assert not Bet.objects.exists()


def test_a_token_carries_its_agent():
    make_agent("other", currency="INR")
    assert Player().get("config/").json()["agent"] == "house"
    other = Player("grace", "other")
    assert other.get("config/").json()["currencies"][0]["currency"] == "INR"
    assert other.bet().json()["errors"] == {"currency": ["Expected one of INR."]}


def test_an_agent_in_the_request_is_refused(player):
    make_agent("other")
    response = player.post("bets/", {"amount": "1", "currency": "FUN", "difficulty": "EASY", "agent": "other"})
    assert (response.status_code, response.json()["errors"]) == (400, {"agent": ["Unknown field."]})
    assert player.get("session/?agent=other").status_code == 400


def test_the_rules_are_exact_fractions_and_rounded(client):
    body = client.get("/api/play/config/").json()
    easy = body["difficulties"][0]
    assert (easy["difficulty"], easy["columns"], easy["hazards"], easy["steps"]) == ("EASY", 30, 3, 27)
    assert easy["ladder"][0] == {
        "step": 1,
        "coefficient": "1.10",
        "chance": {"exact": "9/10", "rounded": "0.900000"},
        "return": {"exact": "99/100", "rounded": "0.990000"},
    }
    assert easy["ladder"][26]["coefficient"] == "4019.40"
    assert body["currencies"] == [
        {"currency": "FUN", "decimals": 2, "min_bet": "0.01", "max_bet": "150.00", "max_win": "10000.00"}
    ]
    assert (body["house_edge"], body["session_ttl_s"]) == ({"exact": "1/100", "rounded": "0.010000"}, 3600)
    assert "cashed out at the coefficient reached" in body["abandoned_bets"]


def test_a_game_from_the_commitment_to_the_proof(player):
    commitment = player.get("seeds/").json()["hashed_server_seed"]
    placed = player.bet("2.00", client_seed=CLIENT_SEED, hashed_server_seed=commitment)
    session = placed.json()
    assert (placed.status_code, session["client_seed_by"], session["hashed_server_seed"]) == (201, "player", commitment)
    bet_id = session["bet_id"]
    proof = player.get(f"bets/{bet_id}/verification/").json()
    assert (proof["server_seed"], proof["hazards"], proof["order"]["is_proven"]) == (None, None, True)
    number = 0
    while session["state"] == "placed" and number < 3:
        number += 1
        session = player.step(bet_id, number).json()
    if session["state"] == "placed":
        session = player.cash_out(bet_id).json()
    assert session["state"] in ("won", "lost")
    proof = player.get(f"bets/{bet_id}/verification/").json()
    assert len(proof["server_seed"]) == 64
    assert proof["hazards"] == session["hazards"]
    assert player.get("seeds/").json()["nonce"] == 1


def test_a_cash_out_is_answered_with_the_win(player):
    bet_id = play(player, steps=2, amount="0.01")
    response = player.cash_out(bet_id)
    assert response.status_code == 200
    assert (response.json()["win_amount"], response.json()["coefficient"]) == ("0.0122", "1.22")
    assert player.get("balance/").json() == {
        "agent": "house",
        "currency": "FUN",
        "balance": "1000.0022",
        "in_play": "0.00",
    }


def test_the_session_is_the_open_bet_else_the_newest_ended_one(player):
    response = player.get("session/")
    assert (response.status_code, response.json()["code"]) == (404, "no_active_session")
    bet_id = play(player)
    session = player.get("session/").json()
    assert (session["bet_id"], session["step"], session["win_amount"], session["hazards"]) == (bet_id, 1, "1.10", None)
    player.cash_out(bet_id)
    assert player.get("session/").json()["state"] == "won"
    second = player.bet().json()["bet_id"]
    assert player.get("session/").json()["bet_id"] == second


def test_a_409_has_the_session(player):
    bet_id = play(player)
    for response, code in [
        (player.bet(), "active_session_exists"),
        (player.step(bet_id, 5), "invalid_step_sequence"),
        (player.put("seeds/", {"client_seed": CLIENT_SEED}), "active_session_exists"),
    ]:
        assert (response.status_code, response.json()["code"], response.json()["session"]["step"]) == (409, code, 1)


@pytest.mark.parametrize("call", ["bet", "cash_out", "topup"])
@pytest.mark.parametrize("key", [None, "caf\u00e9", "x" * 256])
def test_a_key_is_required_where_money_moves(player, call, key):
    bet_id = play(player)
    calls = {
        "bet": lambda: player.bet(key=key),
        "cash_out": lambda: player.cash_out(bet_id, key=key),
        "topup": lambda: player.post("topup/", key=key),
    }
    before = Bet.objects.values().get()
    response = calls[call]()
    assert (response.status_code, response.json()["code"]) == (400, "idempotency_key_required")
    assert Bet.objects.values().get() == before


def test_a_repetition_gets_the_stored_answer_and_says_so(player):
    first, again = player.bet(key="k"), player.bet(key="k")
    assert (again.status_code, again.json(), again["Idempotent-Replayed"]) == (201, first.json(), "true")
    assert "Idempotent-Replayed" not in first
    assert player.bet("2.00", key="k").status_code == 422
    assert Bet.objects.count() == 1


def test_bodies_that_mean_the_same_have_one_fingerprint(player):
    player.post("bets/", {"amount": "1.00", "currency": "FUN", "difficulty": "EASY"}, key="k")
    response = player.post("bets/", {"difficulty": "EASY", "currency": "FUN", "amount": "1.00"}, key="k")
    assert response["Idempotent-Replayed"] == "true"


def test_a_request_that_runs_still_is_told_to_wait(player):
    player.bet(key="k")
    IdempotentRequest.objects.update(status=None, body="")
    response = player.bet(key="k")
    assert (response.status_code, response.json()["code"], response["Retry-After"]) == (409, "request_in_progress", "1")


def test_a_top_up_when_the_balance_is_low(player):
    play(player)
    response = player.post("topup/")
    assert (response.status_code, response.json()["code"]) == (409, "topup_unavailable")
    Account.objects.filter(kind="player").update(balance_e4=0)
    response = player.post("topup/")
    assert (response.status_code, response.json()["balance"]) == (201, "1000.00")


def test_transactions_show_every_movement_of_the_balance(player):
    bet_id = play(player, amount="2.00")
    player.cash_out(bet_id)
    body = player.get("transactions/").json()
    rows = [(row["kind"], row["amount"], row["bet_id"]) for row in body["results"]]
    assert (body["count"], rows) == (
        4,
        [
            ("win", "0.20", bet_id),
            ("stake_return", "2.00", bet_id),
            ("place", "-2.00", bet_id),
            ("start", "1000.00", None),
        ],
    )
    transaction_id = body["results"][0]["transaction_id"]
    one = player.get(f"transactions/{transaction_id}/").json()
    assert (one["status"], one["bet_id"], [entry["kind"] for entry in one["entries"]]) == (
        *("accepted", bet_id),
        ["win", "stake_return", "place"],
    )
    assert Player("grace").get(f"transactions/{transaction_id}/").status_code == 404
    start = body["results"][3]["transaction_id"]
    assert player.get(f"transactions/{start}/").json()["status"] == "accepted"
    assert player.get("transactions/?per_page=1&page=5").status_code == 404
    assert player.get("transactions/?per_page=3").json()["next"] == "?page=2&per_page=3"


def lost_bets(player, number: int) -> list[int]:
    ids = []
    for _ in range(number):
        deal_hazard_at(player.caller, "EASY", 1)
        ids.append(player.bet().json()["bet_id"])
        player.step(ids[-1], 1)
    return ids[::-1]


def test_the_history_has_pages_and_cursors(player):
    ids = lost_bets(player, 5)
    first = player.get("bets/?per_page=2").json()
    assert (first["count"], first["page"], first["pages"], first["previous"]) == (5, 1, 3, None)
    assert [bet["bet_id"] for bet in first["results"]] == ids[:2]
    second = player.get("bets/" + first["next"]).json()
    assert ([bet["bet_id"] for bet in second["results"]], second["page"]) == (ids[2:4], None)
    assert [bet["bet_id"] for bet in player.get("bets/" + second["previous"]).json()["results"]] == ids[:2]
    last = player.get("bets/" + second["next"]).json()
    assert ([bet["bet_id"] for bet in last["results"]], last["next"]) == (ids[4:], None)
    assert [bet["bet_id"] for bet in player.get("bets/?per_page=2&page=2").json()["results"]] == ids[2:4]


def test_a_new_bet_repeats_and_skips_nothing_in_a_history_read_by_cursor(player):
    ids = lost_bets(player, 4)
    first = player.get("bets/?per_page=2").json()
    lost_bets(player, 1)
    second = player.get("bets/" + first["next"]).json()
    assert [bet["bet_id"] for bet in second["results"]] == ids[2:]


def test_the_history_can_be_filtered_by_state(player):
    lost_bets(player, 1)
    bet_id = play(player)
    assert [bet["bet_id"] for bet in player.get("bets/?status=placed").json()["results"]] == [bet_id]
    assert player.get("bets/?status=gone").status_code == 400
    assert player.get("bets/?page=1&before_id=5").json()["errors"] == {
        name: ["Give one of page, before_id and after_id."] for name in ("page", "before_id")
    }


def test_one_bet_in_the_history(player):
    bet_id = play(player)
    player.cash_out(bet_id)
    bet = player.get(f"bets/{bet_id}/").json()
    assert (bet["state"], bet["result"], bet["win_amount"], bet["ended_by"]) == ("won", "won", "1.10", "cash_out")
    assert Player("grace").get(f"bets/{bet_id}/").status_code == 404
    assert Player("grace").get(f"bets/{bet_id}/verification/").status_code == 404


def test_times_are_in_the_zone_of_the_request(player):
    bet_id = play(player)
    utc, tokyo = (player.get(f"bets/{bet_id}/{query}").json()["placed_at"] for query in ("", "?tz=Asia/Tokyo"))
    assert (utc[-1], tokyo[-6:]) == ("Z", "+09:00")
    assert len(utc) == len("2026-01-01T12:00:00.000Z")


def test_seeds_are_shown_set_and_used(player):
    shown = player.get("seeds/").json()
    assert (shown["client_seed"], shown["nonce"], shown["agent"]) == (None, 0, "house")
    chosen = player.put("seeds/", {"client_seed": CLIENT_SEED}).json()
    assert chosen["client_seed"] == CLIENT_SEED
    assert chosen["commitment_shown_at"] < chosen["client_seed_set_at"]
    session = player.bet().json()
    assert (session["client_seed"], session["client_seed_by"]) == (CLIENT_SEED, "player")


@pytest.mark.parametrize("seed", ["", "0123456789ABCDEF", "0" * 15, "0" * 17, "0" * 16 + "\n", 123, None])
def test_a_client_seed_has_16_lower_case_digits(player, seed):
    player.get("seeds/")
    response = player.put("seeds/", {"client_seed": seed})
    assert (response.status_code, response.json()["code"]) == (400, "validation_failed")
    assert Seeds.objects.get().client_seed == ""


def test_a_client_seed_needs_the_commitment_it_was_chosen_after(player):
    response = player.bet(client_seed=CLIENT_SEED)
    assert response.json()["errors"] == {"hashed_server_seed": ["Is required with client_seed."]}
    player.get("seeds/")
    response = player.bet(client_seed=CLIENT_SEED, hashed_server_seed="ab" * 32)
    assert (response.status_code, response.json()["code"]) == (409, "commitment_changed")


def test_limits_are_set_used_and_shown(player):
    response = player.put("limits/", {"stake_per_day": "5.00", "minutes_per_day": 60})
    assert response.json()["stake_per_day"] == {"value": "5.00", "next_value": None, "next_from": None}
    looser = player.put("limits/", {"stake_per_day": None}).json()["stake_per_day"]
    assert (looser["value"], looser["next_value"]) == ("5.00", None)
    assert looser["next_from"]
    bet_id = play(player, amount="4.00")
    player.cash_out(bet_id)
    response = player.bet("1.01")
    assert (response.status_code, response.json()["code"], response.json()["limit"]) == (403, "player_limit", "stake")
    body = player.get("limits/").json()
    assert body["today"] == {"staked": "4.00", "returned": "4.40", "net": "0.40", "time_played_s": 0}
    assert body["minutes_per_day"]["value"] == 60


def test_limits_that_make_no_sense_are_refused(player):
    for change, errors in [
        ({"stake_per_day": "1.001"}, {"stake_per_day": ["At most 2 decimals are allowed."]}),
        ({"stake_per_day": 5}, {"stake_per_day": ["Expected an amount as text, such as 10 or 2.50."]}),
        ({"minutes_per_day": "5"}, {"minutes_per_day": ["A valid integer is required."]}),
        ({"minutes_per_day": 1441}, {"minutes_per_day": ["Ensure this value is less than or equal to 1440."]}),
        ({"currency": "INR"}, {"currency": ["Expected one of FUN."]}),
    ]:
        response = player.put("limits/", change)
        assert (response.status_code, response.json()["errors"]) == (400, errors)


def test_a_guest_is_made_by_a_post_with_its_csrf_token():
    browser = Client(enforce_csrf_checks=True)
    refused = browser.post("/api/play/guest/", {}, "application/json")
    assert (refused.status_code, refused.json()["code"]) == (403, "csrf_failed")
    assert not User.objects.exists()
    token = "a" * 32
    browser.cookies["csrftoken"] = token
    made = browser.post("/api/play/guest/", {}, "application/json", headers={"X-CSRFToken": token})
    assert (made.status_code, made.json()["is_guest"]) == (201, True)
    assert browser.get("/api/play/balance/").json()["balance"] == "1000.00"
    token = browser.cookies["csrftoken"].value
    again = browser.post("/api/play/guest/", {}, "application/json", headers={"X-CSRFToken": token})
    assert (again.status_code, again.json()) == (200, made.json())
    assert User.objects.count() == 1


def test_the_sixth_guest_of_an_address_in_an_hour_is_refused():
    for _ in range(5):
        assert Client().post("/api/play/guest/", {}, "application/json").status_code == 201
    response = Client().post("/api/play/guest/", {}, "application/json")
    assert (response.status_code, response.json()["code"], response["Retry-After"]) == (429, "too_many_guests", "3600")


def test_a_bet_above_the_balance_is_refused_with_its_session(player):
    AgentCurrency.objects.update(max_bet_e4=20_000_000)
    response = player.bet("1500.00")
    assert (response.status_code, response.json()["code"]) == (409, "insufficient_balance")
    assert response.json()["session"]["state"] == "refused"
    assert len(response.json()["session"]["hazards"]) == 3


def test_an_abandoned_bet_is_in_the_history(player):
    bet_id = play(player)
    expire(bet_id)
    run_jobs()
    assert player.get(f"bets/{bet_id}/").json()["ended_by"] == "abandoned"
    response = player.cash_out(bet_id)  # late, but the win is there
    assert (response.status_code, response.json()["win_amount"]) == (200, "1.10")


def test_the_requests_of_a_player_are_limited(player, settings):
    settings.ENABLE_REDIS_RATE_LIMITING = True
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "play": "2/minute"}
    assert [player.get("balance/").status_code for _ in range(3)] == [200, 200, 429]
    response = player.get("balance/")
    assert (response.json()["code"], "Retry-After" in response) == ("throttled", True)


def test_a_locked_database_is_a_503_with_a_time_to_wait(player):
    def locked(execute, sql, *rest):
        raise OperationalError("database is locked")

    with connection.execute_wrapper(locked):
        response = player.get("balance/")
    assert (response.status_code, response.json()["code"], response["Retry-After"]) == (503, "unavailable", "5")
