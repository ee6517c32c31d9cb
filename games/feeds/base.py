"""What a feed is: something that is asked again and again and remembers nothing that the table knows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from games.rounds import Round


@dataclass(frozen=True, slots=True, kw_only=True)
class Poll:
    """What one look at the source gave. `rounds` are oldest first and hold each id once.

    `unreadable` describes, one line each, what the source said of games that nobody could understand. `trouble` is one
    line on why the source gives less than it should; the rounds beside it are good all the same.
    """

    wait_seconds: float
    rounds: Sequence[Round] = ()
    unreadable: Sequence[str] = ()
    trouble: str | None = None


class Feed(Protocol):
    """`poll` reads on from where the table ends, so whatever was not recorded comes again."""

    @property
    def source(self) -> str:
        """What is stored with each game."""

    def poll(self) -> Poll:
        """Raises django.db.Error; trouble with the source is told in the answer."""

    def close(self) -> None: ...


class FeedImpossible(Exception):
    """The settings ask for a feed that cannot be; the message is one line for a person."""


class FeedTrouble(Exception):
    """The source gives nothing now; the message is one line that completes "the site ..."."""
