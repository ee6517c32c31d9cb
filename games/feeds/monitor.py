"""The loop that records: poll, record, wait. It never loses a game, because every poll starts where the table ends."""

import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from django.db import Error as DatabaseError
from django.db import close_old_connections

from games.feeds.base import Feed, Poll
from games.feeds.pace import Pace
from games.feeds.reported import Reported
from games.feeds.shutdown import Interrupted, Stop
from games.rounds import Errors, Round
from games.services import RejectedRounds, record_games

logger = logging.getLogger(__name__)

BATCH_GAMES = 500  # one transaction
DATABASE_RETRY_SECONDS = 0.5  # doubled before its first use
DATABASE_RETRY_BOUND_SECONDS = 30.0


@dataclass(slots=True)
class Totals:
    """What a run did. A broken round counts once, however often the source shows it."""

    created: int = 0
    updated: int = 0
    rejected: int = 0
    unreadable: int = 0

    def __str__(self) -> str:
        return (
            f"{self.created:,} games recorded, {self.updated:,} updated, "
            f"{self.rejected:,} rejected, {self.unreadable:,} unreadable"
        )


class Monitor:
    def __init__(self, feed: Feed, stop: Stop) -> None:
        self._feed = feed
        self._stop = stop
        self._database_pace = Pace(DATABASE_RETRY_SECONDS, DATABASE_RETRY_BOUND_SECONDS)
        self._reported = Reported()
        self.totals = Totals()
        self.trouble: str | None = None

    def run(self) -> None:
        """Return once `stop` is set. A poll or a wait ends at once then, a transaction first."""
        with suppress(Interrupted):
            while not self._stop.is_set():
                self._stop.wait(self.step())

    def step(self) -> float:
        """Poll once and record it; return the seconds until the next. `trouble` says what went wrong.

        Raises Interrupted.
        """
        try:
            with self._stop.interruptible():
                poll = self._feed.poll()
            self._tell_unreadable(poll)
            self._record_all(poll.rounds)
        except DatabaseError as error:
            close_old_connections()  # the next step connects anew if this connection is broken
            self._tell(f"the database fails: {_first_line(error)}")
            return self._database_pace.slow_down()
        self._database_pace.reset()
        self._tell(poll.trouble)
        return poll.wait_seconds

    def _record_all(self, rounds: Sequence[Round]) -> None:
        """Oldest first, so that whatever stops it leaves the table ending where the next poll goes on."""
        for start in range(0, len(rounds), BATCH_GAMES):
            if self._stop.is_set():
                return
            self._record(list(rounds[start : start + BATCH_GAMES]))

    def _record(self, rounds: list[Round]) -> None:
        while rounds:
            try:
                recorded = record_games(rounds, source=self._feed.source)
            except RejectedRounds as refusal:
                # All or nothing: the others go in without the rejected. Each turn drops one at least, so it ends.
                for position, errors in refusal.errors.items():
                    self._tell_rejected(rounds[position], errors)
                rounds = [told for position, told in enumerate(rounds) if position not in refusal.errors]
                continue
            self.totals.created += len(recorded.created)
            self.totals.updated += len(recorded.updated)
            if recorded.changed:
                logger.info("recorded %d games up to %d", len(recorded.changed), max(recorded.changed))
            return

    def _tell_rejected(self, told: Round, errors: Errors) -> None:
        reasons = "; ".join(f"{name}: {' '.join(found)}" for name, found in errors.items())
        if self._reported.first_time((told.game_id, reasons)):
            self.totals.rejected += 1
            logger.error("rejected game %d: %s", told.game_id, reasons)

    def _tell_unreadable(self, poll: Poll) -> None:
        for line in poll.unreadable:
            if self._reported.first_time(line):
                self.totals.unreadable += 1
                logger.error("unreadable round: %s", line)

    def _tell(self, trouble: str | None) -> None:
        """Log a trouble when it begins or changes, and when it is over."""
        if trouble and trouble != self.trouble:
            logger.warning("%s", trouble)
        if self.trouble and not trouble:
            logger.info("all is well again after: %s", self.trouble)
        self.trouble = trouble


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
