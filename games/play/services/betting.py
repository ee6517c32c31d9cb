"""Placing a bet."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import uuid4

from django.db import IntegrityError

from games.play.callers import Caller
from games.play.configuration import Configuration
from games.play.draw import default_client_seed
from games.play.errors import AgentInactive, InvalidBetAmount
from games.play.ladder import last_step_on_offer
from games.play.models import AgentCurrency, Bet, ClientSeedBy
from games.play.money import format_e4, parse_e4
from games.play.selectors.configuration import current_configuration, find_offer
from games.play.services import idempotency
from games.play.services.answers import placing_answer
from games.play.services.days import count_stake
from games.play.services.idempotency import AlreadyAnswered, Answer, RequestKey
from games.play.services.seeds import LockedSeeds, check_commitment, choose_client_seed, lock_seeds, refuse_open_bet
from games.play.services.wallet_calls import Claim, carry_out
from games.play.wallets import wallet_of


@dataclass(frozen=True, slots=True)
class BetOrder:
    """A bet as a player orders it. `commitment` is the one that the player saw."""

    amount: str
    currency: str
    difficulty: str
    client_seed: str | None = None
    commitment: str | None = None


def place_bet(*, caller: Caller, order: BetOrder, request: RequestKey) -> Answer:
    """Place a bet and return the stored answer: the session, or the wallet's refusal.

    Raise PlayError for what is refused before the bet exists. That changes neither seeds nor nonce, so the same bet
    tried again has the same draw.
    """
    answers: list[Answer] = []

    def report(bet: Bet) -> None:
        if (answer := placing_answer(bet)) is not None:
            idempotency.complete(request, answer)
            answers.append(answer)

    try:
        carry_out(wallet_of(caller.agent), lambda: _claim(caller, order, request), report)
    except AlreadyAnswered as repeated:
        return repeated.answer
    except IntegrityError as error:
        return idempotency.answer_of_the_first(request, error)
    return answers[0]


def _claim(caller: Caller, order: BetOrder, request: RequestKey) -> Claim:
    """Create the bet in `placing`, with everything that decides its outcome."""
    locked = lock_seeds(caller)
    idempotency.check_unanswered(request)
    if not caller.agent.active:
        raise AgentInactive
    refuse_open_bet(caller)
    check_commitment(locked.seeds, order.commitment)
    bet = _new_bet(caller, order, locked)
    count_stake(caller.user, bet.currency, bet.stake_e4, bet.placed_at)
    bet.save(force_insert=True)
    idempotency.begin(request, bet_id=bet.pk)
    return Claim(bet)


def _new_bet(caller: Caller, order: BetOrder, locked: LockedSeeds) -> Bet:
    seeds, now = locked
    if order.client_seed is not None:
        choose_client_seed(seeds, order.client_seed, now)
    placed_at = now if seeds.client_seed_set_at is None else max(now, seeds.client_seed_set_at)
    configuration, offer = current_configuration(), find_offer(caller.agent, order.currency)
    lane, stake_e4 = configuration.lanes[order.difficulty], _stake_e4(order, offer)
    return Bet(
        user=caller.user,
        agent=caller.agent,
        transaction_id=str(uuid4()),
        currency=order.currency,
        stake_e4=stake_e4,
        max_win_e4=offer.max_win_e4,
        difficulty=order.difficulty,
        columns=lane.columns,
        hazard_count=lane.hazards,
        table=list(configuration.tables[order.difficulty]),
        last_step=_last_step(configuration, order, stake_e4, offer),
        nonce=seeds.nonce,
        commitment=seeds.commitment,
        commitment_shown_at=seeds.commitment_shown_at,
        encrypted_seed=seeds.encrypted_seed,
        client_seed=seeds.client_seed or default_client_seed(seeds.commitment, seeds.nonce),
        client_seed_by=ClientSeedBy.PLAYER if seeds.client_seed else ClientSeedBy.SERVER,
        client_seed_set_at=seeds.client_seed_set_at,
        placed_at=placed_at,
        last_action_at=placed_at,
        expires_at=placed_at + timedelta(seconds=configuration.session_ttl_seconds),
    )


def _stake_e4(order: BetOrder, offer: AgentCurrency) -> int:
    """Raise InvalidBetAmount unless the amount is one that the agent allows."""
    try:
        stake_e4 = parse_e4(order.amount, offer.decimals)
    except ValueError as error:
        raise InvalidBetAmount(str(error)) from error
    if not offer.min_bet_e4 <= stake_e4 <= offer.max_bet_e4:
        least, most = (format_e4(limit, offer.decimals) for limit in (offer.min_bet_e4, offer.max_bet_e4))
        raise InvalidBetAmount(f"A bet must be from {least} to {most} {offer.currency}.")
    return stake_e4


def _last_step(configuration: Configuration, order: BetOrder, stake_e4: int, offer: AgentCurrency) -> int:
    """Raise InvalidBetAmount if even step 1 would pay more than the maximum win."""
    last_step = last_step_on_offer(configuration.tables[order.difficulty], stake_e4, offer.max_win_e4)
    if not last_step:
        most = format_e4(offer.max_win_e4, offer.decimals)
        raise InvalidBetAmount(f"The first step would pay more than the maximum win of {most} {offer.currency}.")
    return last_step
