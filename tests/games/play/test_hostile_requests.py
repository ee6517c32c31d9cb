"""Sixty hostile requests: the right 4xx, nothing moved, and the open bet's seed and hazards are found nowhere."""

import json
import logging
from urllib.parse import quote

import pytest
import redis
from django.contrib.admin.sites import site
from django.contrib.auth.models import User
from django.test import Client

from games.play import seed_encryption
from games.play.models import Account, Bet, IdempotentRequest, PlayerDay, PlayerLimit, Seeds, Transfer
from games.play.services.seeds import draw_hazards
from tests.games.play.api import Player
from tests.games.play.playing import deal, make_agent
from tests.servers import valkey

pytestmark = pytest.mark.django_db

SQL, TEMPLATE = "1; DROP TABLE bets --", "{{ settings.SECRET_KEY }}{% debug %}${7*7}"
CLIENT_SEED = "0123456789abcdef"

AMOUNTS = [
    *("-1", "0", "0.00", "-0.01", "1e400", "1e2", "NaN", "Infinity", "0.001", "150.01", "99999999999999999999"),
    *("1,5", "0x10", "٣", "", SQL, TEMPLATE, "1\n", "1\x00"),
    *(1, 1.5, -1, None, True, [], {}),
]


class World:
    """Ada has an open bet with steps; Mallory attacks. `before` is everything that must stay as it is."""

    def __init__(self) -> None:
        make_agent("other")
        self.ada, self.mallory = Player("ada"), Player("mallory")
        self.hazards = deal(self.ada.caller, "HARD", lambda hazards: hazards[0] > 2)
        self.bet_id = self.ada.bet(difficulty="HARD").json()["bet_id"]
        self.ada.step(self.bet_id, 1)
        self.transaction_id = Bet.objects.get().transaction_id
        self.mallory.get("balance/")
        self.mallory.get("seeds/")
        self.before = self.state()

    def state(self) -> list[list[dict]]:
        tables = (Account, Bet, IdempotentRequest, PlayerDay, PlayerLimit, Seeds, Transfer)
        return [list(table.objects.order_by("pk").values()) for table in tables]


@pytest.fixture
def world():
    return World()


def order(**changes):
    return {"amount": "1.00", "currency": "FUN", "difficulty": "EASY", **changes}


def attacks(world):
    """Yield a name, the statuses that are right, and the request."""
    ada, mallory, bet_id = world.ada, world.mallory, world.bet_id
    for amount in AMOUNTS:
        yield f"amount {amount!r}", 400, lambda amount=amount: mallory.post("bets/", order(amount=amount))
    for currency in ("INR", "EUR", "fun", SQL, TEMPLATE, "\x00", None, 5):
        yield f"currency {currency!r}", 400, lambda one=currency: mallory.post("bets/", order(currency=one))
    for difficulty in ("SIMPLE", "easy", SQL, 0, None):
        yield f"difficulty {difficulty!r}", 400, lambda one=difficulty: mallory.post("bets/", order(difficulty=one))
    for extra in ("agent", "server_seed", "nonce", "user", "step", "coefficients", "__class__"):
        yield f"field {extra}", 400, lambda one=extra: mallory.post("bets/", order(**{one: "x"}))
    for body in ([], "text", 5, None):
        yield f"body {body!r}", 400, lambda one=body: mallory.post("bets/", one if one is not None else [1])
    yield "broken JSON", 400, lambda: raw(mallory, '{"amount": NaN}')
    yield "deep JSON", 400, lambda: raw(mallory, "[" * 100_000)
    yield "step 5 before 1", 409, lambda: ada.step(bet_id, 5)
    for number in (0, -1, 2**40):
        yield f"step {number}", 409, lambda one=number: ada.step(bet_id, one)
    for number in ("2", 2.0, True, None, 2**70):
        yield f"step {number!r}", 400, lambda one=number: ada.post("session/step/", {"bet_id": bet_id, "step": one})
    for call in ("step", "cashout"):
        body = {"bet_id": bet_id, **({"step": 2} if call == "step" else {})}
        yield f"another's {call}", 404, lambda call=call, body=body: mallory.post(f"session/{call}/", body)
    for path in ("", "verification/"):
        yield f"another's bet {path}", 404, lambda path=path: mallory.get(f"bets/{bet_id}/{path}")
    yield "another's transaction", 404, lambda: mallory.get(f"transactions/{world.transaction_id}/")
    yield "another's session", 404, lambda: mallory.get("session/")
    yield "the bet through another agent", 404, lambda: Player("ada", "other").get(f"bets/{bet_id}/")
    for bad in ("9" * 18, "9" * 400, "-1", "1e3", quote(SQL), "%00"):
        yield f"bet {bad[:20]}", 404, lambda bad=bad: ada.get(f"bets/{bad}/")
    yield "a transaction of SQL", 404, lambda: ada.get(f"transactions/{quote(SQL, safe='')}/")
    yield "a seed change with an open bet", 409, lambda: ada.put("seeds/", {"client_seed": CLIENT_SEED})
    yield "a second bet", 409, lambda: ada.bet()
    yield "a stale commitment", 409, lambda: mallory.bet(client_seed=CLIENT_SEED, hashed_server_seed="ab" * 32)
    for key in ("a\r\nX-Evil: 1", "a\x00", "\u2028", "x" * 256):
        yield f"key {key[:12]!r}", 400, lambda key=key: mallory.bet(key=key)
    for query in (
        "?page=0",
        "?page=1&page=2",
        f"?status={quote(SQL)}",
        "?before_id=9e9",
        "?before_id=" + "9" * 30,
        "?x=1",
    ):
        yield f"bets/{query[:24]}", 400, lambda query=query: ada.get(f"bets/{query}")
    for query in ("?reveal=true", "?hazards=1", "?include=server_seed", "?fields=*"):
        for path in ("session/", f"bets/{bet_id}/", f"bets/{bet_id}/verification/", "seeds/", "audit/"):
            yield f"{path}{query}", 400, lambda path=path, query=query: ada.get(path + query)
    yield "a limit of NaN", 400, lambda: mallory.put("limits/", {"stake_per_day": "NaN"})
    yield "a pause without a zone", 400, lambda: mallory.put("limits/", {"pause_until": "2030-01-01T00:00:00"})
    yield "a top-up of another amount", 400, lambda: mallory.post("topup/", {"amount": "1000000"})
    yield "nobody's bet", 401, lambda: Client().post("/api/play/bets/", order(), "application/json")


def raw(player, text: str):
    return player._client.post("/api/play/bets/", text, "application/json", headers={"Idempotency-Key": "raw"})


def test_each_is_refused_and_nothing_moves(world):
    made = list(attacks(world))
    assert len(made) >= 60
    wrong = []
    for name, status, attack in made:
        response = attack()
        if response.status_code != status or world.state() != world.before:
            wrong.append((name, status, response.status_code, response.content[:200]))
    assert wrong == []


def test_no_answer_shows_a_path_a_stack_or_sql(world):
    for _, _, attack in attacks(world):
        text = attack().content.decode()
        assert not any(word in text for word in ("Traceback", "/work", "SELECT", "play_bet", "SECRET", "49}"))


def secrets_of(world) -> set[str]:
    """Return the texts that would reveal the open bet: its seed, and its hazards as any list would show them."""
    seed, hazards = draw_hazards(Bet.objects.get(pk=world.bet_id))
    lists = {json.dumps(list(hazards)), ",".join(map(str, hazards)), " ".join(map(str, hazards)), str(hazards)}
    return {seed, json.dumps(list(hazards), separators=(",", ":")), *lists}


def test_the_open_bets_seed_and_hazards_are_found_nowhere(world, caplog):
    caplog.set_level(logging.DEBUG)
    ada, secrets = world.ada, secrets_of(world)
    paths = ["session/", f"bets/{world.bet_id}/", f"bets/{world.bet_id}/verification/", "bets/", "seeds/"]
    paths += ["transactions/", f"transactions/{world.transaction_id}/", "limits/", "audit/", "config/", "balance/"]
    answers = [ada.get(path).content.decode() for path in paths]
    answers += [attack().content.decode() for _, _, attack in attacks(world)]
    seen = "\n".join([*answers, caplog.text, *redis_values(), *admin_pages(world)])
    assert [secret for secret in secrets if secret in seen] == []
    assert Bet.objects.get(pk=world.bet_id).encrypted_seed not in seen


def redis_values() -> list[str]:
    """Return every key and value that the run has left in Redis."""
    client = redis.from_url(valkey.url)
    keys = client.keys("*")
    return [repr((key, client.dump(key))) for key in keys]


def admin_pages(world) -> list[str]:
    """Return all admin pages of the step game's tables."""
    browser = Client()
    browser.force_login(User.objects.create_superuser("root"))
    pages = []
    for model in site._registry:
        if model._meta.app_label == "play":
            base = f"/admin/play/{model._meta.model_name}/"
            rows = [f"{base}{quote(str(row.pk), safe='')}/change/" for row in model.objects.all()[:50]]
            pages += [browser.get(path).content.decode() for path in (base, *rows)]
    return pages


def test_the_open_bets_seed_is_stored_encrypted_only(world):
    seed, _ = draw_hazards(Bet.objects.get(pk=world.bet_id))
    assert seed not in str(world.before)
    assert (
        seed_encryption.decrypt_seed(
            Bet.objects.get(pk=world.bet_id).encrypted_seed, Bet.objects.get(pk=world.bet_id).commitment
        )
        == seed
    )
