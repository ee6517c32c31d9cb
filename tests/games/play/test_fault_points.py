"""A process is killed before each statement of placing, settling and refunding: the books agree, and nothing is lost.

The client then repeats its request, as one does that has no answer, and the job for abandoned bets runs.
"""

import os
import signal
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import pytest
from django.db import connection

from games.play.callers import Caller
from games.play.models import FINAL, Bet, EndedBy, IdempotentRequest, Transfer
from games.play.selectors.books import differences
from games.play.services.topups import top_up
from tests.games.play.playing import (
    balance,
    cash,
    deal_free_steps,
    deal_hazard_at,
    expire,
    fresh_key,
    make_caller,
    place,
    placed,
    run_jobs,
    step,
)

pytestmark = pytest.mark.django_db(transaction=True)

START_E4 = 10_000_000
MOST_STATEMENTS = 60


def is_killed_before(statement: int, action: Callable[[], Any]) -> bool:
    """Run the action in a process of its own that kills itself before a statement. Return False if it ended before."""
    connection.close()
    child = os.fork()
    if not child:
        _run_and_die(statement, action)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, "the action failed"
    return os.WIFSIGNALED(status)


def _run_and_die(statement: int, action: Callable[[], Any]) -> None:
    numbers = count(1)

    def fault_point(execute: Callable[..., Any], *arguments: Any) -> Any:
        if next(numbers) == statement:
            os.kill(os.getpid(), signal.SIGKILL)
        return execute(*arguments)

    try:
        with connection.execute_wrapper(fault_point):
            action()
    except BaseException:  # noqa: BLE001 - the child must not go on as a second test run
        os._exit(1)
    os._exit(0)


def callers_at_fault_points(prepare: Callable[[Caller], Callable[[], Any]]) -> Iterator[tuple[Caller, bool]]:
    """Yield a caller after each fault point, and at last one whose action was not killed."""
    for statement in range(1, MOST_STATEMENTS):
        caller = make_caller(f"player-{statement}")
        was_killed = is_killed_before(statement, prepare(caller))
        yield caller, was_killed
        if not was_killed:
            assert statement > 5, "the fault points are too few to be true"
            return
    raise AssertionError(f"more than {MOST_STATEMENTS} statements")


def check_books() -> None:
    assert [str(difference) for difference in differences()] == []


def close_all() -> None:
    """Let the time of every open bet pass, and run the job."""
    for bet_id in Bet.objects.filter(state="placed").values_list("pk", flat=True):
        expire(bet_id)
    run_jobs()
    assert not Bet.objects.exclude(state__in=FINAL).exists()
    check_books()


def test_placing():
    for caller, was_killed in callers_at_fault_points(lambda caller: lambda: place(caller, key="k")):
        check_books()
        assert Bet.objects.filter(user=caller.user).count() == (0 if was_killed else 1)
        answer = place(caller, key="k")
        assert (answer.status, answer.replayed) == (201, not was_killed)
        assert (Bet.objects.filter(user=caller.user).count(), balance(caller)) == (1, START_E4 - 10_000)
    close_all()
    assert set(Bet.objects.values_list("state", flat=True)) == {"refunded"}


def test_cashing_out():
    def prepare(caller: Caller) -> Callable[[], Any]:
        deal_free_steps(caller, "EASY", 1)
        bet_id = placed(caller)
        step(caller, bet_id, 1)
        return lambda: cash(caller, bet_id, key="c")

    for caller, was_killed in callers_at_fault_points(prepare):
        check_books()
        bet = Bet.objects.get(user=caller.user)
        assert bet.state == ("placed" if was_killed else "won")
        if bet.pk % 2:  # the others are left, and the job pays them
            assert cash(caller, bet.pk, key="c").body["win_amount"] == "1.10"
    close_all()
    assert set(Bet.objects.values_list("state", "payout_e4")) == {("won", 11_000)}
    assert set(Bet.objects.values_list("ended_by", flat=True)) == {EndedBy.CASH_OUT, EndedBy.ABANDONED}


def test_a_step_on_a_hazard():
    def prepare(caller: Caller) -> Callable[[], Any]:
        deal_hazard_at(caller, "EASY", 1)
        bet_id = placed(caller)
        return lambda: step(caller, bet_id, 1)

    for caller, was_killed in callers_at_fault_points(prepare):
        check_books()
        bet = Bet.objects.get(user=caller.user)
        assert (bet.state, bet.hazards is None) == (("placed", True) if was_killed else ("lost", False))
        assert step(caller, bet.pk, 1).state == "lost"  # the hazard lies where it lay
    close_all()


def test_the_last_step_on_offer():
    def prepare(caller: Caller) -> Callable[[], Any]:
        deal_free_steps(caller, "DAREDEVIL", 6)
        bet_id = placed(caller, "150.00", "DAREDEVIL")
        for number in range(1, 6):
            step(caller, bet_id, number)
        return lambda: step(caller, bet_id, 6)

    for caller, _ in callers_at_fault_points(prepare):
        check_books()
        bet = step(caller, Bet.objects.get(user=caller.user).pk, 6)
        assert (bet.state, bet.payout_e4, balance(caller)) == ("won", 59_670_000, START_E4 - 1_500_000 + 59_670_000)
    close_all()


def test_a_refund():
    def prepare(caller: Caller) -> Callable[[], Any]:
        bet_id = placed(caller)
        expire(bet_id)
        return run_jobs

    for caller, was_killed in callers_at_fault_points(prepare):
        check_books()
        assert Bet.objects.get(user=caller.user).state == ("placed" if was_killed else "refunded")
        run_jobs()
        assert (Bet.objects.get(user=caller.user).state, balance(caller)) == ("refunded", START_E4)
    close_all()


def test_a_top_up():
    def prepare(caller: Caller) -> Callable[[], Any]:
        for amount in ("150.00",) * 6 + ("100.00",):
            deal_hazard_at(caller, "EASY", 1)
            step(caller, placed(caller, amount), 1)
        return lambda: top_up(caller=caller, request=fresh_key(caller, "t"))

    for caller, was_killed in callers_at_fault_points(prepare):
        check_books()
        answer = top_up(caller=caller, request=fresh_key(caller, "t"))
        assert (answer.status, answer.replayed, balance(caller)) == (201, not was_killed, START_E4)
        assert Transfer.objects.filter(kind="topup", credit__user=caller.user).count() == 1
    assert not IdempotentRequest.objects.filter(status=None).exists()
