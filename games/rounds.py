"""Rounds as sources report them, and their validation without the database."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from games.fairness import MAX_CRASH_HUNDREDTHS, MalformedHash, normalise_hash
from games.models import MAX_GAME_ID, MIN_GAME_ID, Game
from games.times import EARLIEST, to_milliseconds

Errors = dict[str, list[str]]

TIME_FIELDS = ("prepare_time", "begin_time", "end_time")
# Clocks differ a little. A time further ahead is a mistake; its game would stay the newest for a long time.
MAX_AHEAD = timedelta(minutes=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One game as one source reports it. None means "not reported" and never overwrites a stored value."""

    game_id: int
    crash_hundredths: int
    hash: str | None = None
    prepare_time: datetime | None = None
    begin_time: datetime | None = None
    end_time: datetime | None = None


def normalise(reported: Round) -> Round:
    """Return the round with a lower-case hash, and times in UTC, cut to milliseconds. Raises MalformedHash."""
    return replace(
        reported,
        hash=normalise_hash(reported.hash) if reported.hash is not None else None,
        prepare_time=_to_milliseconds(reported.prepare_time),
        begin_time=_to_milliseconds(reported.begin_time),
        end_time=_to_milliseconds(reported.end_time),
    )


def find_errors(reported: Round, now: datetime) -> Errors:
    """Return every reason why the round cannot be recorded at the time `now`, by field."""
    errors: Errors = {}
    if not MIN_GAME_ID <= reported.game_id <= MAX_GAME_ID:
        errors["game_id"] = [f"Must be from {MIN_GAME_ID} to {MAX_GAME_ID}."]
    if not 100 <= reported.crash_hundredths <= MAX_CRASH_HUNDREDTHS:
        errors["crash_point"] = [f"Must be from 1 to {MAX_CRASH_HUNDREDTHS / 100:.2f}."]
    if reported.hash is not None:
        try:
            normalise_hash(reported.hash)
        except MalformedHash as error:
            errors["hash"] = [str(error)]
    for name in TIME_FIELDS:
        if reason := _time_error(getattr(reported, name), now):
            errors[name] = [reason]
    if not errors:
        errors |= find_order_errors(reported)
    return errors


def find_order_errors(game: Round | Game) -> Errors:
    """Return an error if the times of a reported round, or of a game before it is stored, are not in order."""
    times = [time for name in TIME_FIELDS if (time := getattr(game, name)) is not None]
    return {} if times == sorted(times) else {"end_time": ["Must not be before begin_time or prepare_time."]}


def _time_error(time: datetime | None, now: datetime) -> str | None:
    if time is None:
        return None
    if time.tzinfo is None:
        return "Expected a UTC offset."
    if time < EARLIEST:
        return f"Must not be before {EARLIEST:%Y-%m-%d}."
    if time > now + MAX_AHEAD:
        return f"Must not be more than {MAX_AHEAD // timedelta(minutes=1)} minutes in the future."
    return None


def _to_milliseconds(time: datetime | None) -> datetime | None:
    return None if time is None else to_milliseconds(time)
