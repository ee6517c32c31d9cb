"""A player for tests: places bets, and can have a seed dealt whose hazards are known."""

from collections.abc import Callable
from datetime import timedelta
from itertools import count
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction

from games.play import draw
from games.play.callers import Caller
from games.play.difficulties import LANES
from games.play.models import HOUSE, Agent, AgentCurrency, Bet, Seeds
from games.play.seed_encryption import encrypt_seed
from games.play.services.abandoned import close_abandoned_bets
from games.play.services.betting import BetOrder, place_bet
from games.play.services.idempotency import Answer, RequestKey, request_key
from games.play.services.playing import cash_out, take_step
from games.play.services.seeds import lock_seeds
from tests.factories.play import make_user

_keys = count()


def make_caller(name: str = "ada", agent: str = HOUSE) -> Caller:
    user = User.objects.filter(username=name).first() or make_user(name)
    return Caller(user, Agent.objects.get(code=agent))


def make_agent(code: str, wallet: str = "ledger", currency: str = "FUN") -> Agent:
    """Create an agent with the limits of the house."""
    agent = Agent.objects.create(code=code, wallet=wallet)
    AgentCurrency.objects.create(
        agent=agent, currency=currency, min_bet_e4=100, max_bet_e4=1_500_000, max_win_e4=100_000_000
    )
    return agent


def fresh_key(caller: Caller, key: str | None = None, *, path: str = "/", body: Any = None) -> RequestKey:
    return request_key(caller, key or f"key-{next(_keys)}", method="POST", path=path, body=body or {})


def place(caller: Caller, amount: str = "1.00", difficulty: str = "EASY", *, key: str | None = None, **order) -> Answer:
    currency = order.pop("currency", "FUN")
    full = BetOrder(amount=amount, currency=currency, difficulty=difficulty, **order)
    body = {"amount": amount, "currency": currency, "difficulty": difficulty, **order}
    return place_bet(caller=caller, order=full, request=fresh_key(caller, key, path="bets/", body=body))


def placed(caller: Caller, amount: str = "1.00", difficulty: str = "EASY", **order) -> int:
    """Place a bet that is accepted, and return its id."""
    answer = place(caller, amount, difficulty, **order)
    assert answer.status == 201, answer
    return answer.body["bet_id"]


def step(caller: Caller, bet_id: int, number: int) -> Bet:
    return take_step(caller=caller, bet_id=bet_id, step=number)


def cash(caller: Caller, bet_id: int, *, key: str | None = None) -> Answer:
    request = fresh_key(caller, key, path="cashout/", body={"bet_id": bet_id})
    return cash_out(caller=caller, bet_id=bet_id, request=request)


def deal(caller: Caller, difficulty: str, wanted: Callable[[tuple[int, ...]], bool]) -> tuple[int, ...]:
    """Give the caller's next bet, with the server's client seed, a seed whose hazards are wanted. Return them."""
    lane = LANES[difficulty]
    with transaction.atomic():
        seeds = lock_seeds(caller).seeds
    for number in count():
        server_seed = f"{number:064x}"
        commitment = draw.commitment_of(server_seed)
        client_seed = draw.default_client_seed(commitment, seeds.nonce)
        hazards = draw.draw_hazards(server_seed, client_seed, seeds.nonce, columns=lane.columns, hazards=lane.hazards)
        if wanted(hazards):
            Seeds.objects.filter(pk=seeds.pk).update(encrypted_seed=encrypt_seed(server_seed), commitment=commitment)
            return hazards
    raise AssertionError("unreachable")


def deal_free_steps(caller: Caller, difficulty: str, steps: int) -> tuple[int, ...]:
    """Deal a game whose first hazard lies beyond so many steps."""
    return deal(caller, difficulty, lambda hazards: hazards[0] > steps)


def deal_hazard_at(caller: Caller, difficulty: str, column: int) -> tuple[int, ...]:
    """Deal a game whose first hazard lies at a column."""
    return deal(caller, difficulty, lambda hazards: hazards[0] == column)


def expire(bet_id: int) -> None:
    """Move the bet into the past by an hour and a second, as if its player had left."""
    bet = Bet.objects.get(pk=bet_id)
    ago = timedelta(hours=1, seconds=1)
    Bet.objects.filter(pk=bet_id).update(expires_at=bet.expires_at - ago)


def run_jobs() -> int:
    return close_abandoned_bets()


def balance(caller: Caller, currency: str = "FUN") -> int:
    return caller.user.play_accounts.get(kind="player", currency=currency).balance_e4
