"""Top-ups of play money: once a day, while the balance is low."""

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from games.play.callers import Caller
from games.play.clock import database_now
from games.play.currencies import CURRENCIES, FUN
from games.play.errors import TopUpUnavailable
from games.play.ledger import START_BALANCE_E4, Movement, PlayerAccounts, lock_player_accounts, post, shared_account
from games.play.models import AccountKind, Transfer, TransferKind, WalletKind
from games.play.money import UNIT_E4, format_e4
from games.play.selectors.configuration import find_offer
from games.play.services import idempotency
from games.play.services.idempotency import AlreadyAnswered, Answer, RequestKey

TOP_UP_E4 = START_BALANCE_E4
ONLY_BELOW_E4 = 10 * UNIT_E4


def top_up(*, caller: Caller, request: RequestKey) -> Answer:
    """Credit the top-up and return the stored answer. Raise TopUpUnavailable or InvalidCurrency."""
    try:
        with transaction.atomic():
            answer = _credit(caller, request)
    except AlreadyAnswered as repeated:
        return repeated.answer
    except IntegrityError as error:  # another request was first with the key
        return idempotency.answer_of_the_first(request, error)
    return answer


def _credit(caller: Caller, request: RequestKey) -> Answer:
    find_offer(caller.agent, FUN)
    if caller.agent.wallet != WalletKind.LEDGER:
        raise TopUpUnavailable("Only play money of our own ledger can be topped up.")
    accounts = lock_player_accounts(caller.user, FUN)
    idempotency.check_unanswered(request)
    transaction_id = _transaction_id(caller.user)
    _check(accounts, transaction_id)
    idempotency.begin(request)
    grant = Movement(shared_account(AccountKind.MINT, FUN), accounts.balance, TOP_UP_E4, TransferKind.TOP_UP)
    post([grant], transaction_id=transaction_id)
    answer = Answer(201, _body(caller, accounts, transaction_id))
    idempotency.complete(request, answer)
    return answer


def _check(accounts: PlayerAccounts, transaction_id: str) -> None:
    decimals = CURRENCIES[FUN].decimals
    if (accounts.balance.balance_e4 or 0) >= ONLY_BELOW_E4:
        raise TopUpUnavailable(f"A top-up is possible while the balance is below {format_e4(ONLY_BELOW_E4, decimals)}.")
    if Transfer.objects.filter(transaction_id=transaction_id, kind=TransferKind.TOP_UP).exists():
        raise TopUpUnavailable("A top-up is possible once a day (UTC). Try again tomorrow.")


def _transaction_id(user: User) -> str:
    return f"topup:{user.pk}:{database_now().date()}"


def _body(caller: Caller, accounts: PlayerAccounts, transaction_id: str) -> dict[str, str]:
    decimals = CURRENCIES[FUN].decimals
    return {
        "agent": caller.agent.code,
        "currency": FUN,
        "amount": format_e4(TOP_UP_E4, decimals),
        "balance": format_e4(accounts.balance.balance_e4 or 0, decimals),
        "transaction_id": transaction_id,
    }
