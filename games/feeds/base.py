"""The interface of a feed. A feed is polled again and again and keeps no position: the games table is its position."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from games.rounds import Round


@dataclass(frozen=True, slots=True, kw_only=True)
class PollResult:
    """The result of one poll. `rounds` are oldest first and contain each id once.

    `unreadable` describes, one line each, the rounds that could not be parsed. `problem` is one line on why the source
    gives less than it should; the rounds beside it are valid nevertheless.
    """

    wait_seconds: float
    rounds: Sequence[Round] = ()
    unreadable: Sequence[str] = ()
    problem: str | None = None


class Feed(Protocol):
    """A source of rounds. Each `poll` continues where the table ends, so a round that was not recorded comes again."""

    @property
    def source(self) -> str:
        """The value of `Game.source` for games of this feed."""

    def poll(self) -> PollResult:
        """Read the rounds that the table lacks.

        A problem with the source is reported in the result. Raises django.db.Error.
        """

    def close(self) -> None: ...


class FeedMisconfigured(Exception):
    """The settings select a feed that cannot run. The message is one line for a person."""


class FeedError(Exception):
    """The source gives no rounds at the moment. The message is one line that completes "the site ..."."""
