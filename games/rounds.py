"""A round as a source tells it, and what makes one acceptable. No database here."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from games.fairness import MAX_CRASH_HUNDREDTHS, MalformedHash, normalise_hash
from games.models import MAX_GAME_ID, MIN_GAME_ID, Game
from games.times import EARLIEST, to_milliseconds

Errors = dict[str, list[str]]

TIME_FIELDS = ("prepare_time", "begin_time", "end_time")
# Clocks differ a little; a time further ahead is a mistake that would be the newest for ever.
MAX_AHEAD = timedelta(minutes=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What one source says of one game; None is "not said" and never overwrites what is known."""

    game_id: int
    crash_hundredths: int
    hash: str | None = None
    prepare_time: datetime | None = None
    begin_time: datetime | None = None
    end_time: datetime | None = None


def normalise(told: Round) -> Round:
    """Lower-case hash; times in UTC, cut to milliseconds. Raises MalformedHash."""
    return replace(
        told,
        hash=normalise_hash(told.hash) if told.hash is not None else None,
        prepare_time=_cut(told.prepare_time),
        begin_time=_cut(told.begin_time),
        end_time=_cut(told.end_time),
    )


def check(told: Round, now: datetime) -> Errors:
    """Every reason why this round cannot be recorded at `now`, by field; empty when it can."""
    errors: Errors = {}
    if not MIN_GAME_ID <= told.game_id <= MAX_GAME_ID:
        errors["game_id"] = [f"Must be from {MIN_GAME_ID} to {MAX_GAME_ID}."]
    if not 100 <= told.crash_hundredths <= MAX_CRASH_HUNDREDTHS:
        errors["crash_point"] = [f"Must be from 1 to {MAX_CRASH_HUNDREDTHS / 100:.2f}."]
    if told.hash is not None:
        try:
            normalise_hash(told.hash)
        except MalformedHash as error:
            errors["hash"] = [str(error)]
    for name in TIME_FIELDS:
        if reason := _time_error(getattr(told, name), now):
            errors[name] = [reason]
    if not errors:
        errors |= check_order(told)
    return errors


def check_order(told: Round | Game) -> Errors:
    """Of a round as told, or of a game as it would be stored."""
    times = [time for name in TIME_FIELDS if (time := getattr(told, name)) is not None]
    return {} if times == sorted(times) else {"end_time": ["Must not be before begin_time or prepare_time."]}


def _time_error(time: datetime | None, now: datetime) -> str | None:
    if time is None:
        return None
    if time.tzinfo is None:
        return "Needs a UTC offset."
    if time < EARLIEST:
        return f"Must not be before {EARLIEST:%Y-%m-%d}."
    if time > now + MAX_AHEAD:
        return "Lies in the future."
    return None


def _cut(time: datetime | None) -> datetime | None:
    return None if time is None else to_milliseconds(time)
