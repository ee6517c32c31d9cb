"""Replay the chain from the table's newest game on, at the pace that the clock and REPLAY_SPEED set."""

from collections.abc import Callable
from datetime import datetime, timedelta

from games.feeds.base import PollResult
from games.feeds.replay.chain import FIRST_GAME, LAST_GAME, hash_of
from games.feeds.replay.rounds import SOURCE, rounds_after
from games.models import Game
from games.rounds import Round

BATCH_GAMES = 500
MIN_WAIT_SECONDS = 0.1  # at most ten polls a second, so that the games of a fast replay share transactions
MAX_WAIT_SECONDS = 60.0  # so that a change of the system clock takes effect within a minute
CLOCK_SKEW = timedelta(minutes=5)


class ReplayFeed:
    """Feed without a position of its own: the table's newest game and its end time determine the next game."""

    source = SOURCE

    def __init__(self, now: Callable[[], datetime], speed: float) -> None:
        self._now = now
        self._speed = speed

    def poll(self) -> PollResult:
        now = self._now()
        newest = Game.objects.order_by("-game_id").first()
        if newest is None:
            return self._poll_due_rounds(FIRST_GAME - 1, self._end_before_first_game(now), now)
        ended = newest.end_time or newest.created_at  # a game without times is taken to have ended when it was recorded
        if problem := _reason_not_to_replay(newest, ended, now):
            return PollResult(wait_seconds=MAX_WAIT_SECONDS, problem=problem)
        return self._poll_due_rounds(newest.game_id, ended, now)

    def close(self) -> None:
        pass

    def _poll_due_rounds(self, game_id: int, ended: datetime, now: datetime) -> PollResult:
        due: list[Round] = []
        for end, round_ in rounds_after(game_id, ended, self._speed):
            if end > now:
                return PollResult(rounds=due, wait_seconds=_clamp_wait((end - now).total_seconds()))
            due.append(round_)
            if len(due) == BATCH_GAMES:
                break
        return PollResult(rounds=due, wait_seconds=MIN_WAIT_SECONDS)

    def _end_before_first_game(self, now: datetime) -> datetime:
        """Return the end time of the game before the first, so that on an empty table the first game ends now."""
        end, _ = next(rounds_after(FIRST_GAME - 1, now, self._speed))
        return now - (end - now)


def _reason_not_to_replay(newest: Game, ended: datetime, now: datetime) -> str | None:
    game_id = newest.game_id
    if game_id == LAST_GAME:
        return f"the replay has reached the end of its chain, game {LAST_GAME:,}"
    if not FIRST_GAME <= game_id < LAST_GAME:
        return (
            f"the newest game, {game_id:,}, is not one of the replayed games, {FIRST_GAME:,} to {LAST_GAME:,}: "
            "nothing to replay"
        )
    if newest.hash is not None and newest.hash != hash_of(game_id):
        return f"the newest game, {game_id:,}, has a hash from another chain: nothing to replay"
    if ended > now + CLOCK_SKEW:
        return f"the newest game, {game_id:,}, ends in the future, at {ended:%Y-%m-%d %H:%M:%S} UTC: the replay waits"
    return None


def _clamp_wait(seconds: float) -> float:
    return max(MIN_WAIT_SECONDS, min(MAX_WAIT_SECONDS, seconds))
