"""Plays the chain on from the table's newest game, as fast as the clock and REPLAY_SPEED allow."""

from collections.abc import Callable
from datetime import datetime, timedelta

from games.feeds.base import Poll
from games.feeds.replay.chain import FIRST_GAME, LAST_GAME, hash_of
from games.feeds.replay.rounds import SOURCE, rounds_after
from games.models import Game
from games.rounds import Round

BATCH_GAMES = 500
MIN_WAIT_SECONDS = 0.1  # ten polls a second: however fast the replay, its games share transactions
MAX_WAIT_SECONDS = 60.0  # a clock that was set is followed within a minute
CLOCK_SKEW = timedelta(minutes=5)


class ReplayFeed:
    """Keeps no position: the table's newest game and its end time say what comes next and when."""

    source = SOURCE

    def __init__(self, now: Callable[[], datetime], speed: float) -> None:
        self._now = now
        self._speed = speed

    def poll(self) -> Poll:
        now = self._now()
        newest = Game.objects.order_by("-game_id").first()
        if newest is None:
            return self._due(FIRST_GAME - 1, self._just_before_the_first(now), now)
        ended = newest.end_time or newest.created_at  # a game told without times counts from when it came
        if trouble := _obstacle(newest, ended, now):
            return Poll(wait_seconds=MAX_WAIT_SECONDS, trouble=trouble)
        return self._due(newest.game_id, ended, now)

    def close(self) -> None:
        pass

    def _due(self, game_id: int, ended: datetime, now: datetime) -> Poll:
        due: list[Round] = []
        for end, told in rounds_after(game_id, ended, self._speed):
            if end > now:
                return Poll(rounds=due, wait_seconds=_bounded((end - now).total_seconds()))
            due.append(told)
            if len(due) == BATCH_GAMES:
                break
        return Poll(rounds=due, wait_seconds=MIN_WAIT_SECONDS)

    def _just_before_the_first(self, now: datetime) -> datetime:
        """On an empty table the first game is the one that ends now."""
        end, _ = next(rounds_after(FIRST_GAME - 1, now, self._speed))
        return now - (end - now)


def _obstacle(newest: Game, ended: datetime, now: datetime) -> str | None:
    game_id = newest.game_id
    if game_id == LAST_GAME:
        return f"the replay has used up its chain, which ends with game {LAST_GAME:,}"
    if not FIRST_GAME <= game_id < LAST_GAME:
        return (
            f"the newest game, {game_id:,}, is not of the replayed {FIRST_GAME:,} to {LAST_GAME:,}: nothing to replay"
        )
    if newest.hash is not None and newest.hash != hash_of(game_id):
        return f"the newest game, {game_id:,}, has a hash of another chain: nothing to replay"
    if ended > now + CLOCK_SKEW:
        return f"the newest game, {game_id:,}, ends in the future, at {ended:%Y-%m-%d %H:%M:%S} UTC: the replay waits"
    return None


def _bounded(seconds: float) -> float:
    return max(MIN_WAIT_SECONDS, min(MAX_WAIT_SECONDS, seconds))
