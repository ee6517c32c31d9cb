"""Stored games held against their hashes and against their neighbours'."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum, auto

from games import fairness
from games.links import linked
from games.models import Game
from games.services import verify_again

CHUNK = 1000


@dataclass(slots=True)
class Checked:
    """What became of the games and links looked at. `changed` counts games whose stored verdict was stale."""

    verified: int = 0
    mismatched: int = 0
    unverifiable: int = 0
    changed: int = 0
    linked: int = 0
    broken: int = 0
    not_checkable: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def games(self) -> int:
        return self.verified + self.mismatched + self.unverifiable


class Link(Enum):
    UNBROKEN = auto()
    BROKEN = auto()
    NOT_CHECKABLE = auto()


def chunks(first: int | None, last: int | None) -> Iterator[list[Game]]:
    """The games of a range of ids in ascending order, CHUNK at a time: the table is never in memory at once."""
    games = Game.objects.order_by("game_id")
    if last is not None:
        games = games.filter(game_id__lte=last)
    after = -1 if first is None else first - 1
    while chunk := list(games.filter(game_id__gt=after)[:CHUNK]):
        yield chunk
        after = chunk[-1].game_id


class Checker:
    """Fed with chunks in ascending order. `limit` bounds the problems that are kept; all are counted."""

    def __init__(self, *, chain: bool, limit: int) -> None:
        self.checked = Checked()
        self._chain = chain
        self._limit = limit
        self._before: Game | None = None

    def check(self, chunk: list[Game]) -> None:
        """Verify again and store what changed."""
        changed = verify_again([game.game_id for game in chunk if not is_malformed(game.hash)])
        self.checked.changed += len(changed)
        anew = Game.objects.in_bulk(changed)
        for game in (anew.get(game.game_id, game) for game in chunk):
            self._count(game)
            if self._chain:
                self._follow(game)

    def _count(self, game: Game) -> None:
        if is_malformed(game.hash):
            self.checked.mismatched += 1
            self._tell(f"Game {game.game_id}: the stored hash is malformed.")
        elif game.verified is None:
            self.checked.unverifiable += 1
        elif game.verified:
            self.checked.verified += 1
        else:
            self.checked.mismatched += 1
            self._tell(
                f"Game {game.game_id}: recorded {game.crash_point:.2f}, its hash gives {game.calculated_point:.2f}."
            )

    def _follow(self, game: Game) -> None:
        before, self._before = self._before, game
        if before is None:
            return
        link = link_between(before, game)
        if link is Link.UNBROKEN:
            self.checked.linked += 1
        elif link is Link.NOT_CHECKABLE:
            self.checked.not_checkable += 1
        else:
            self.checked.broken += 1
            self._tell(f"Game {game.game_id}: its hash does not lead to that of game {before.game_id}.")

    def _tell(self, problem: str) -> None:
        if len(self.checked.problems) < self._limit:
            self.checked.problems.append(problem)


def link_between(before: Game, game: Game) -> Link:
    """Not checkable: ids or hashes are missing between the two, or they are not known to be on one chain."""
    verdict = linked(game.game_id, game.hash, before.hash) if before.game_id == game.game_id - 1 else None
    return {True: Link.UNBROKEN, False: Link.BROKEN, None: Link.NOT_CHECKABLE}[verdict]


def is_malformed(hash_: str | None) -> bool:
    if hash_ is None:
        return False
    try:
        return fairness.normalise_hash(hash_) != hash_
    except fairness.MalformedHash:
        return True
