"""Limits that players set: a stricter one at once, a looser one after a day, and only new bets are refused."""

from datetime import UTC, datetime, timedelta

import pytest

from games.play import errors
from games.play.clock import database_now
from games.play.models import LimitKind, Player, PlayerDay, PlayerLimit
from games.play.services.days import next_day
from games.play.services.limits import LimitChanges, change_limits
from tests.games.play.playing import (
    cash,
    deal_free_steps,
    deal_hazard_at,
    expire,
    make_agent,
    make_caller,
    place,
    placed,
    run_jobs,
    step,
)

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)


@pytest.fixture
def caller():
    return make_caller()


def limit(caller, kind: LimitKind, value: int | None) -> PlayerLimit:
    change_limits(user=caller.user, changes=LimitChanges("FUN", {kind: value}))
    return PlayerLimit.objects.get(user=caller.user, kind=kind)


def refusal(caller, *args, **order) -> errors.PlayerLimited:
    before = list(PlayerDay.objects.values())
    with pytest.raises(errors.PlayerLimited) as refused:
        place(caller, *args, **order)
    assert list(PlayerDay.objects.values()) == before
    return refused.value


def lose(caller, amount: str) -> None:
    deal_hazard_at(caller, "EASY", 1)
    step(caller, placed(caller, amount), 1)


def win(caller, amount: str) -> None:
    deal_free_steps(caller, "EASY", 1)
    bet_id = placed(caller, amount)
    step(caller, bet_id, 1)
    cash(caller, bet_id)


def test_stakes_up_to_the_limit_are_taken_and_no_more(caller):
    limit(caller, LimitKind.STAKE, 50_000)
    win(caller, "3.00")
    win(caller, "2.00")
    error = refusal(caller, "0.01")
    assert (error.status, error.code, error.limit, error.until) == (
        *(403, "player_limit"),
        *("stake", next_day(database_now())),
    )


def test_the_first_bet_of_a_day_is_limited_too(caller):
    limit(caller, LimitKind.STAKE, 50_000)
    assert refusal(caller, "5.01").limit == "stake"


def test_a_limit_of_nothing_allows_nothing(caller):
    limit(caller, LimitKind.LOSS, 0)
    assert refusal(caller, "0.01").limit == "loss"


def test_the_stake_in_play_counts_as_lost_until_the_bet_ends(caller):
    make_agent("other")
    limit(caller, LimitKind.LOSS, 50_000)
    deal_free_steps(caller, "EASY", 1)
    bet_id = placed(caller, "3.00")
    other = make_caller(agent="other")
    assert refusal(other, "2.01").limit == "loss"
    step(caller, bet_id, 1)
    cash(caller, bet_id)  # 3.30 come back
    placed(other, "5.30")


def test_winnings_make_room_under_a_limit_of_loss(caller):
    limit(caller, LimitKind.LOSS, 50_000)
    lose(caller, "4.00")
    assert refusal(caller, "1.01").limit == "loss"
    win(caller, "1.00")  # 1.10 come back
    placed(caller, "1.10")


def test_a_refunded_bet_takes_its_stake_out_of_the_day_again(caller):
    limit(caller, LimitKind.STAKE, 50_000)
    expire(placed(caller, "5.00"))
    run_jobs()
    placed(caller, "5.00")


def test_minutes_are_counted_over_all_currencies(caller):
    make_agent("rupees", currency="INR")
    limit(caller, LimitKind.MINUTES, 10)
    today = database_now().date()
    PlayerDay.objects.create(user=caller.user, currency="FUN", date=today, played_ms=6 * 60_000)
    PlayerDay.objects.create(user=caller.user, currency="USD", date=today, played_ms=4 * 60_000 - 1)
    placed(caller)
    PlayerDay.objects.filter(currency="USD").update(played_ms=4 * 60_000)
    rupees = make_caller(agent="rupees")
    assert refusal(rupees, currency="INR").limit == "minutes"


def test_yesterday_does_not_count(caller):
    limit(caller, LimitKind.STAKE, 10_000)
    yesterday = database_now().date() - timedelta(days=1)
    PlayerDay.objects.create(user=caller.user, currency="FUN", date=yesterday, staked_e4=10_000, played_ms=10**9)
    placed(caller)


def test_a_limit_never_refuses_a_step_a_cash_out_or_a_refund(caller):
    deal_free_steps(caller, "EASY", 2)
    bet_id = placed(caller)
    limit(caller, LimitKind.STAKE, 0)
    limit(caller, LimitKind.MINUTES, 0)
    change_limits(
        user=caller.user, changes=LimitChanges("FUN", {}, self_excluded_until=database_now() + timedelta(days=1))
    )
    step(caller, bet_id, 1)
    assert cash(caller, bet_id).status == 200


@pytest.mark.parametrize(("name", "limit_name"), [("paused_until", "pause"), ("self_excluded_until", "self_exclusion")])
def test_a_pause_and_a_self_exclusion_refuse_bets_until_their_end(caller, name, limit_name):
    until = database_now() + HOUR
    change_limits(user=caller.user, changes=LimitChanges("FUN", {}, **{name: until}))
    error = refusal(caller)
    assert (error.limit, error.until) == (limit_name, until)
    Player.objects.update(**{name: database_now()})
    placed(caller)


@pytest.mark.parametrize("name", ["paused_until", "self_excluded_until"])
def test_neither_can_be_shortened(caller, name):
    until = database_now() + HOUR
    change_limits(user=caller.user, changes=LimitChanges("FUN", {}, **{name: until}))
    earlier = LimitChanges("FUN", {LimitKind.STAKE: 1}, **{name: until - timedelta(seconds=1)})
    with pytest.raises(errors.LimitCannotBeShortened) as refused:
        change_limits(user=caller.user, changes=earlier)
    assert refused.value.errors == {name: [f"Must be {until:%Y-%m-%dT%H:%M:%SZ} or later."]}
    assert getattr(Player.objects.get(), name) == until
    assert not PlayerLimit.objects.exists()
    change_limits(user=caller.user, changes=LimitChanges("FUN", {}, **{name: until + HOUR}))
    assert getattr(Player.objects.get(), name) == until + HOUR


def test_a_stricter_limit_applies_at_once(caller):
    limit(caller, LimitKind.STAKE, 50_000)
    stricter = limit(caller, LimitKind.STAKE, 40_000)
    assert (stricter.value, stricter.next_value, stricter.next_from) == (40_000, None, None)
    assert refusal(caller, "4.01").limit == "stake"


@pytest.mark.parametrize("looser", [60_000, None])
def test_a_looser_limit_waits_for_24_hours(caller, looser):
    limit(caller, LimitKind.STAKE, 50_000)
    waiting = limit(caller, LimitKind.STAKE, looser)
    assert (waiting.value, waiting.next_value) == (50_000, looser)
    assert timedelta(hours=23, minutes=59) < waiting.next_from - database_now() <= timedelta(hours=24)
    refusal(caller, "5.01")
    PlayerLimit.objects.update(next_from=database_now())
    placed(caller, "5.01")


def test_a_stricter_limit_ends_the_wait_of_a_looser_one(caller):
    limit(caller, LimitKind.STAKE, 50_000)
    limit(caller, LimitKind.STAKE, 60_000)
    limit(caller, LimitKind.STAKE, 40_000)
    PlayerLimit.objects.update(value=40_000)
    stored = PlayerLimit.objects.get()
    assert (stored.value, stored.next_value, stored.next_from) == (40_000, None, None)


def test_a_limit_that_has_waited_is_the_one_to_compare_with(caller):
    limit(caller, LimitKind.STAKE, 50_000)
    limit(caller, LimitKind.STAKE, 60_000)
    PlayerLimit.objects.update(next_from=database_now())
    stricter = limit(caller, LimitKind.STAKE, 55_000)
    assert (stricter.value, stricter.next_value) == (55_000, None)


def test_the_day_ends_at_midnight_in_utc():
    assert next_day(datetime(2026, 12, 31, 23, 59, tzinfo=UTC)) == datetime(2027, 1, 1, tzinfo=UTC)
