"""A session: one bet as its player sees it."""

from dataclasses import dataclass

from games.play.callers import Caller
from games.play.clock import database_now
from games.play.currencies import CURRENCIES
from games.play.errors import NoSession, NotFound
from games.play.ladder import format_coefficient, payout_e4
from games.play.models import OPEN, Bet
from games.play.money import format_e4
from games.play.selectors.players import Today, day_of


@dataclass(frozen=True, slots=True)
class Session:
    """A bet with its player's day. Money is text."""

    bet: Bet
    today: Today

    @property
    def bet_amount(self) -> str:
        return self._money(self.bet.stake_e4)

    @property
    def max_win(self) -> str:
        return self._money(self.bet.max_win_e4)

    @property
    def coefficient(self) -> str:
        return format_coefficient(self.bet.coefficient(self.bet.step))

    @property
    def next_coefficient(self) -> str | None:
        """The coefficient of the next step; None if there is none on offer."""
        bet = self.bet
        return format_coefficient(bet.coefficient(bet.step + 1)) if bet.is_open and bet.step < bet.last_step else None

    @property
    def win_amount(self) -> str:
        """What a cash-out would pay now; after the end what the bet paid."""
        bet = self.bet
        if not bet.is_open:
            return self._money(bet.payout_e4 or 0)
        return self._money(payout_e4(bet.stake_e4, bet.coefficient(bet.step)) if bet.step else 0)

    @property
    def time_played_s(self) -> int:
        """Seconds played today, the open bet included."""
        bet = self.bet
        in_play = (bet.last_action_at - bet.placed_at).total_seconds() if bet.is_open else 0
        return int(self.today.played_ms / 1000 + in_play)

    @property
    def staked_today(self) -> str:
        return self._money(self.today.staked_e4)

    @property
    def net_today(self) -> str:
        return self._money(self.today.net_e4)

    def _money(self, amount_e4: int) -> str:
        return format_e4(amount_e4, CURRENCIES[self.bet.currency].decimals)


def session_of(bet: Bet) -> Session:
    return Session(bet, day_of(bet.user, bet.currency, database_now().date()))


def current_session(caller: Caller) -> Session:
    """Return the caller's open bet, else the newest ended one. Raise NoSession if there is none."""
    bets = Bet.objects.filter(user=caller.user, agent=caller.agent).select_related("agent", "user")
    bet = bets.filter(state__in=OPEN).first() or bets.first()
    if bet is None:
        raise NoSession
    return session_of(bet)


def find_bet(caller: Caller, bet_id: int) -> Bet:
    """Raise NotFound if it is not a bet of this user with this agent."""
    bet = Bet.objects.filter(pk=bet_id, user=caller.user, agent=caller.agent).select_related("agent", "user").first()
    if bet is None:
        raise NotFound
    return bet
