"""A player's bets, page by page, newest first."""

from dataclasses import dataclass

from games.play.callers import Caller
from games.play.errors import NotFound
from games.play.models import Bet


@dataclass(frozen=True, slots=True)
class Position:
    """Where a page begins: at a number, or beside a bet. Only one of the three is given."""

    page: int | None = None
    before_id: int | None = None
    after_id: int | None = None


@dataclass(frozen=True, slots=True)
class BetPage:
    """`page` is None in the response to a cursor. `older` and `newer` are the cursors of the pages beside it."""

    count: int
    page: int | None
    per_page: int
    bets: list[Bet]
    older: int | None
    newer: int | None

    @property
    def pages(self) -> int:
        return max(1, -(-self.count // self.per_page))


def bet_page(caller: Caller, *, states: list[str], position: Position, per_page: int) -> BetPage:
    """Return one page. Raise NotFound past the last one; without bets there is one empty page."""
    own = Bet.objects.filter(user=caller.user, agent=caller.agent)
    if states:
        own = own.filter(state__in=states)
    count = own.count()
    if position.after_id is not None:
        bets = list(own.filter(pk__gt=position.after_id).order_by("pk")[:per_page])[::-1]
    elif position.before_id is not None:
        bets = list(own.filter(pk__lt=position.before_id)[:per_page])
    else:
        page = position.page or 1
        if page > max(1, -(-count // per_page)):
            raise NotFound(f"There are {max(1, -(-count // per_page))} pages.")
        bets = list(own[(page - 1) * per_page : page * per_page])
    older = bets[-1].pk if bets and own.filter(pk__lt=bets[-1].pk).exists() else None
    newer = bets[0].pk if bets and own.filter(pk__gt=bets[0].pk).exists() else None
    is_cursor = position.after_id is not None or position.before_id is not None
    return BetPage(count, None if is_cursor else position.page or 1, per_page, bets, older, newer)
