"""Races of two and more calls for one bet, one key, one seed or one limit: the books agree, and one of them wins.

`make test-play-races` runs 200 of each.
"""

from collections import Counter
from functools import partial

import pytest

from games.play import errors
from games.play.models import Bet, IdempotentRequest, LimitKind, Player, PlayerDay, Seeds, Transfer
from games.play.selectors.books import differences
from games.play.selectors.money import balance_of
from games.play.services.guests import create_guest
from games.play.services.idempotency import Answer
from games.play.services.limits import LimitChanges, change_limits
from games.play.services.seeds import set_client_seed, show_seeds
from games.play.services.topups import top_up
from tests.games.play.playing import (
    balance,
    cash,
    deal_free_steps,
    deal_hazard_at,
    expire,
    fresh_key,
    make_agent,
    make_caller,
    place,
    placed,
    run_jobs,
    step,
)
from tests.games.play.racing import RACES, race

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(1200)]

START_E4 = 10_000_000


@pytest.fixture(autouse=True)
def _books_agree():
    yield
    assert [str(difference) for difference in differences()] == []


def players():
    """Yield a new player for each race."""
    for number in range(RACES):
        yield make_caller(f"player-{number}")


def kinds(bet_id: int) -> Counter[str]:
    return Counter(Transfer.objects.filter(bet_id=bet_id).values_list("kind", flat=True))


def with_a_step(caller) -> int:
    deal_free_steps(caller, "EASY", 1)
    bet_id = placed(caller)
    step(caller, bet_id, 1)
    return bet_id


WON = Counter(["place", "stake_return", "win"])
LOST = Counter(["place", "loss"])


def test_two_cash_outs():
    for caller in players():
        bet_id = with_a_step(caller)
        first, second = race(partial(cash, caller, bet_id), partial(cash, caller, bet_id))
        assert (first.status, second.status, first.body["win_amount"]) == (200, 200, "1.10")
        assert (kinds(bet_id), balance(caller)) == (WON, START_E4 + 1_000)


def test_a_cash_out_against_a_hazard_step():
    outcomes = Counter()
    for caller in players():
        deal_hazard_at(caller, "EASY", 2)
        bet_id = placed(caller)
        step(caller, bet_id, 1)
        cashed, stepped = race(partial(cash, caller, bet_id), partial(step, caller, bet_id, 2))
        bet = Bet.objects.get(pk=bet_id)
        outcomes[bet.state] += 1
        if bet.state == "won":
            assert (cashed.status, type(stepped), kinds(bet_id)) == (200, errors.NoActiveSession, WON)
        else:
            assert (bet.state, type(cashed), stepped.state, kinds(bet_id)) == (
                *("lost", errors.NoActiveSession),
                *("lost", LOST),
            )
    assert outcomes.total() == RACES


def test_one_step_twice():
    for caller in players():
        deal_free_steps(caller, "EASY", 2)
        bet_id = placed(caller)
        first, second = race(partial(step, caller, bet_id, 1), partial(step, caller, bet_id, 1))
        assert (first.step, second.step) == (1, 1)
        assert Bet.objects.values_list("step", "action_seq").get(pk=bet_id) == (1, 2)


def test_one_step_and_the_next_one():
    for caller in players():
        deal_free_steps(caller, "EASY", 2)
        bet_id = placed(caller)
        first, second = race(partial(step, caller, bet_id, 1), partial(step, caller, bet_id, 2))
        assert first.step == 1
        assert isinstance(second, errors.InvalidStepSequence) or second.step == 2


def test_the_last_step_twice():
    for caller in players():
        deal_free_steps(caller, "DAREDEVIL", 6)
        bet_id = placed(caller, "150.00", "DAREDEVIL")
        for number in range(1, 6):
            step(caller, bet_id, number)
        race(partial(step, caller, bet_id, 6), partial(step, caller, bet_id, 6))
        assert (kinds(bet_id), balance(caller)) == (WON, START_E4 - 1_500_000 + 59_670_000)


def test_two_bets():
    for caller in players():
        outcomes = race(partial(place, caller), partial(place, caller))
        assert sorted(type(outcome).__name__ for outcome in outcomes) == ["ActiveSessionExists", "Answer"]
        assert (Bet.objects.filter(user=caller.user).count(), balance(caller)) == (1, START_E4 - 10_000)


def test_one_key_from_eight_threads():
    for caller in players():
        outcomes = race(*[partial(place, caller, key="k")] * 8)
        answers = [outcome for outcome in outcomes if isinstance(outcome, Answer)]
        assert all(isinstance(outcome, Answer | errors.RequestInProgress) for outcome in outcomes), outcomes
        assert {answer.status for answer in answers} == {201}
        assert [answer.body for answer in answers] == [answers[0].body] * len(answers)
        assert sum(not answer.replayed for answer in answers) == 1
        assert (Bet.objects.filter(user=caller.user).count(), balance(caller)) == (1, START_E4 - 10_000)


def test_one_key_of_a_cash_out_from_eight_threads():
    for caller in players():
        bet_id = with_a_step(caller)
        outcomes = race(*[partial(cash, caller, bet_id, key="k")] * 8)
        assert [outcome.body for outcome in outcomes] == [outcomes[0].body] * 8
        assert sum(not outcome.replayed for outcome in outcomes) == 1
        assert kinds(bet_id) == WON


def test_one_key_for_two_agents():
    make_agent("other")
    for caller in players():
        other = make_caller(caller.user.username, "other")
        outcomes = race(partial(place, caller, key="k"), partial(place, other, key="k"))
        assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Answer", "KeyReused"]
        assert Bet.objects.filter(user=caller.user).count() == 1


def test_the_job_for_abandoned_bets_against_a_cash_out():
    for caller in players():
        bet_id = with_a_step(caller)
        expire(bet_id)
        closed, cashed = race(run_jobs, partial(cash, caller, bet_id))
        assert (closed in (0, 1), cashed.status, cashed.body["win_amount"]) == (True, 200, "1.10")
        assert (kinds(bet_id), balance(caller)) == (WON, START_E4 + 1_000)


def test_the_job_for_abandoned_bets_against_a_step():
    for caller in players():
        deal_free_steps(caller, "EASY", 1)
        bet_id = placed(caller)
        expire(bet_id)
        closed, stepped = race(run_jobs, partial(step, caller, bet_id, 1))
        bet = Bet.objects.get(pk=bet_id)
        if closed:
            assert (bet.state, type(stepped), balance(caller)) == ("refunded", errors.NoActiveSession, START_E4)
        else:
            assert (bet.state, bet.step, stepped.step) == ("placed", 1, 1)


def test_two_jobs_for_abandoned_bets():
    for caller in players():
        bet_id = with_a_step(caller)
        expire(bet_id)
        assert sum(race(run_jobs, run_jobs)) == 1
        assert kinds(bet_id) == WON


def test_a_seed_change_against_a_bet():
    for caller in players():
        show_seeds(caller=caller)
        changed, answer = race(partial(set_client_seed, caller=caller, client_seed="c1" * 8), partial(place, caller))
        bet = Bet.objects.get(user=caller.user)
        assert answer.status == 201
        if bet.client_seed_by == "player":
            assert bet.client_seed == "c1" * 8
            assert bet.commitment_shown_at < bet.client_seed_set_at <= bet.placed_at
        else:
            assert isinstance(changed, errors.ActiveSessionExists)
            assert Seeds.objects.get(user=caller.user).client_seed == ""


@pytest.mark.parametrize("kind", [LimitKind.STAKE, LimitKind.LOSS])
def test_one_player_with_two_agents_against_one_daily_limit(kind):
    make_agent("other")
    for caller in players():
        change_limits(user=caller.user, changes=LimitChanges("FUN", {kind: 15_000}))
        other = make_caller(caller.user.username, "other")
        outcomes = race(partial(place, caller), partial(place, other))
        assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Answer", "PlayerLimited"]
        assert PlayerDay.objects.get(user=caller.user).staked_e4 == 10_000


def test_the_first_calls_of_a_player_give_the_start_balance_once():
    make_agent("other")
    for caller in players():
        other = make_caller(caller.user.username, "other")
        first, second = race(partial(place, caller), partial(balance_of, other, "FUN"))
        assert (first.status, second.balance) in [(201, "1000.00"), (201, "999.00")]
        assert Transfer.objects.filter(transaction_id=f"start:{caller.user.pk}").count() == 1


def test_two_top_ups():
    for caller in players():
        lose_almost_everything(caller)
        outcomes = race(
            partial(top_up, caller=caller, request=fresh_key(caller)),
            partial(top_up, caller=caller, request=fresh_key(caller)),
        )
        assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Answer", "TopUpUnavailable"]
        assert balance(caller) == START_E4


def lose_almost_everything(caller) -> None:
    """Lose 1,000.00 in seven bets."""
    for amount in ("150.00",) * 6 + ("100.00",):
        deal_hazard_at(caller, "EASY", 1)
        step(caller, placed(caller, amount), 1)


def test_guests_of_one_address_who_come_at_once():
    outcomes = race(*[partial(create_guest, address="ip:203.0.113.7")] * 8)
    assert Counter(type(outcome).__name__ for outcome in outcomes) == {"User": 5, "TooManyGuests": 3}
    assert Player.objects.count() == 5


def test_the_keys_of_all_races_are_answered():
    for caller in players():
        race(partial(place, caller, key="k"), partial(place, caller, key="l"))
    assert not IdempotentRequest.objects.filter(status=None).exists()
