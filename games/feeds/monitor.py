"""Poll a feed, record its rounds, wait, repeat. No game is lost, because every poll starts where the table ends."""

import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from django.db import Error as DatabaseError
from django.db import close_old_connections

from games.feeds.backoff import Backoff
from games.feeds.base import Feed, PollResult
from games.feeds.log_deduplicator import LogDeduplicator
from games.feeds.shutdown import Interrupted, StopFlag
from games.rounds import Errors, Round
from games.services import RejectedRounds, record_games

logger = logging.getLogger(__name__)

BATCH_GAMES = 500  # one transaction
DATABASE_RETRY_SECONDS = 0.5  # the backoff doubles it before the first use
MAX_DATABASE_RETRY_SECONDS = 30.0


@dataclass(slots=True)
class Totals:
    """Counts of one run. A broken round is counted once, however often the source returns it."""

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
    """Records the rounds of one feed."""

    def __init__(self, feed: Feed, stop: StopFlag) -> None:
        self._feed = feed
        self._stop = stop
        self._database_backoff = Backoff(DATABASE_RETRY_SECONDS, MAX_DATABASE_RETRY_SECONDS)
        self._logged = LogDeduplicator()
        self.totals = Totals()
        self.problem: str | None = None

    def run(self) -> None:
        """Run until `stop` is set. A poll or a wait then ends at once; a transaction is completed first."""
        with suppress(Interrupted):
            while not self._stop.is_set():
                self._stop.wait(self.step())

    def step(self) -> float:
        """Poll once and record the rounds. Return the seconds until the next poll.

        `problem` says what went wrong, if anything. Raises Interrupted.
        """
        try:
            with self._stop.interruptible():
                poll = self._feed.poll()
            self._log_unreadable(poll)
            self._record_all(poll.rounds)
        except DatabaseError as error:
            close_old_connections()  # if the connection is broken, the next step opens a new one
            self._log_problem(f"the database fails: {_first_line(error)}")
            return self._database_backoff.increase()
        self._database_backoff.reset()
        self._log_problem(poll.problem)
        return poll.wait_seconds

    def _record_all(self, rounds: Sequence[Round]) -> None:
        """Record the rounds oldest first, so that after an interruption the table ends where the next poll starts."""
        for start in range(0, len(rounds), BATCH_GAMES):
            if self._stop.is_set():
                return
            self._record(list(rounds[start : start + BATCH_GAMES]))

    def _record(self, rounds: list[Round]) -> None:
        while rounds:
            try:
                recorded = record_games(rounds, source=self._feed.source)
            except RejectedRounds as rejection:
                # A call records all rounds or none: repeat it without the rejected. Each turn removes at least one.
                for position, errors in rejection.errors.items():
                    self._log_rejected(rounds[position], errors)
                rounds = [round_ for position, round_ in enumerate(rounds) if position not in rejection.errors]
                continue
            self.totals.created += len(recorded.created)
            self.totals.updated += len(recorded.updated)
            if recorded.changed:
                logger.info("recorded %d games up to %d", len(recorded.changed), max(recorded.changed))
            return

    def _log_rejected(self, round_: Round, errors: Errors) -> None:
        reasons = "; ".join(f"{name}: {' '.join(found)}" for name, found in errors.items())
        if self._logged.first_time((round_.game_id, reasons)):
            self.totals.rejected += 1
            logger.error("rejected game %d: %s", round_.game_id, reasons)

    def _log_unreadable(self, poll: PollResult) -> None:
        for line in poll.unreadable:
            if self._logged.first_time(line):
                self.totals.unreadable += 1
                logger.error("unreadable round: %s", line)

    def _log_problem(self, problem: str | None) -> None:
        """Log a problem when it begins or changes, and when it is resolved."""
        if problem and problem != self.problem:
            logger.warning("%s", problem)
        if self.problem and not problem:
            logger.info("resolved: %s", self.problem)
        self.problem = problem


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
