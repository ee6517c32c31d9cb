"""Check stored games against their hashes, and their hashes against those of the neighbouring games."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum, auto

from games import fairness
from games.links import is_linked
from games.models import Game
from games.services import reverify

CHUNK = 1000


@dataclass(slots=True)
class AuditResult:
    """Counts of the games and links checked. `changed` counts games whose stored result was out of date."""

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
    """Yield the games of a range of ids in ascending order, CHUNK at a time, so that memory use stays bounded."""
    games = Game.objects.order_by("game_id")
    if last is not None:
        games = games.filter(game_id__lte=last)
    after = -1 if first is None else first - 1
    while chunk := list(games.filter(game_id__gt=after)[:CHUNK]):
        yield chunk
        after = chunk[-1].game_id


class Auditor:
    """Checks chunks of games, which must come in ascending order.

    `limit` bounds the problems that are listed; all of them are counted.
    """

    def __init__(self, *, chain: bool, limit: int) -> None:
        self.result = AuditResult()
        self._chain = chain
        self._limit = limit
        self._previous: Game | None = None

    def check(self, chunk: list[Game]) -> None:
        """Re-verify the games of a chunk, store the results that changed, and count them."""
        changed = reverify([game.game_id for game in chunk if not is_malformed(game.hash)])
        self.result.changed += len(changed)
        updated = Game.objects.in_bulk(changed)
        for game in (updated.get(game.game_id, game) for game in chunk):
            self._count(game)
            if self._chain:
                self._check_link(game)

    def _count(self, game: Game) -> None:
        if is_malformed(game.hash):
            self.result.mismatched += 1
            self._add_problem(f"Game {game.game_id}: the stored hash is malformed.")
        elif game.verified is None:
            self.result.unverifiable += 1
        elif game.verified:
            self.result.verified += 1
        else:
            self.result.mismatched += 1
            self._add_problem(
                f"Game {game.game_id}: recorded {game.crash_point:.2f}, its hash gives {game.calculated_point:.2f}."
            )

    def _check_link(self, game: Game) -> None:
        previous, self._previous = self._previous, game
        if previous is None:
            return
        link = link_between(previous, game)
        if link is Link.UNBROKEN:
            self.result.linked += 1
        elif link is Link.NOT_CHECKABLE:
            self.result.not_checkable += 1
        else:
            self.result.broken += 1
            self._add_problem(f"Game {game.game_id}: its hash does not lead to that of game {previous.game_id}.")

    def _add_problem(self, problem: str) -> None:
        if len(self.result.problems) < self._limit:
            self.result.problems.append(problem)


def link_between(previous: Game, game: Game) -> Link:
    """Return the state of the link from `game` to the `previous` one.

    A link is not checkable if a game or a hash between the two is missing, or if they may be on different chains.
    """
    linked = is_linked(game.game_id, game.hash, previous.hash) if previous.game_id == game.game_id - 1 else None
    return {True: Link.UNBROKEN, False: Link.BROKEN, None: Link.NOT_CHECKABLE}[linked]


def is_malformed(hash_: str | None) -> bool:
    """Return True if a stored hash is not 64 lower-case hexadecimal digits."""
    if hash_ is None:
        return False
    try:
        return fairness.normalise_hash(hash_) != hash_
    except fairness.MalformedHash:
        return True
