"""Convert the texts of a line to a round, exactly or not at all: without floats, without guessing zones or digits."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from games.crash_points import parse_hundredths
from games.importing.lines import BadLine
from games.rounds import TIME_FIELDS, Round, find_errors, normalise

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NULL_TEXTS = frozenset({"", "-", "nan", "null", "none", "n/a"})  # what sources write for an unknown value

_GAME_ID = re.compile(r"(?:Game\s*)?#?\s*([0-9]{1,16})", re.IGNORECASE)
# At the end, as sites display a multiplier: the letter x or the multiplication sign.
_CRASH_POINT = re.compile(r"([0-9]+|[0-9]{1,3}(?:,[0-9]{3})+)(\.[0-9]+)?\s*[x\u00d7]?", re.IGNORECASE)
_MILLISECONDS = re.compile(r"[0-9]{1,16}")


def to_round(values: Mapping[str, str]) -> Round:
    """Return a validated, normalised round from field -> text. Raises BadLine with the reasons.

    The first text that cannot be parsed is reported alone. If all can be parsed, every invalid value is reported.
    """
    round_ = Round(
        game_id=parse_game_id(values.get("game_id", "")),
        crash_hundredths=parse_crash_hundredths(values.get("crash_point", "")),
        hash=text_or_none(values.get("hash", "")),
        **{name: parse_time(name, values.get(name, "")) for name in TIME_FIELDS},
    )
    if errors := find_errors(round_, datetime.now(UTC)):
        raise BadLine(describe_errors(errors))
    return normalise(round_)


def describe_errors(errors: Mapping[str, list[str]]) -> str:
    """Return the errors as one line."""
    return " ".join(f"{field}: {reason}" for field, reasons in errors.items() for reason in reasons)


def text_or_none(text: str) -> str | None:
    """Return the stripped text, or None if it means an unknown value."""
    text = text.strip()
    return None if text.lower() in NULL_TEXTS else text


def parse_game_id(text: str) -> int:
    """Return the id in `2699754`, `#2699754` or `Game #2699754`. Raises BadLine."""
    if found := _GAME_ID.fullmatch(text.strip()):
        return int(found[1])
    raise BadLine(f"game_id: expected a whole number, got {shorten(text)}.")


def parse_crash_hundredths(text: str) -> int:
    """Return the hundredths of `2`, `2.34`, `2.34x` or `1,234.56`. Raises BadLine.

    Commas are accepted between groups of three digits only.
    """
    found = _CRASH_POINT.fullmatch(text.strip())
    if not found:
        raise BadLine(f"crash_point: expected a number, got {shorten(text)}.")
    try:
        return parse_hundredths(found[1].replace(",", "") + (found[2] or ""))
    except ValueError as error:
        raise BadLine(f"crash_point: {error} Got {shorten(text)}.") from error


def parse_time(field: str, text: str) -> datetime | None:
    """Return the time in ISO 8601 with an offset, or in Unix milliseconds. Raises BadLine.

    Return None for an unknown time, which the sites write as 0.
    """
    given = text_or_none(text)
    if given is None or given == "0":
        return None
    try:
        if _MILLISECONDS.fullmatch(given):
            return EPOCH + timedelta(milliseconds=int(given))
        time = datetime.fromisoformat(given)
        if time.tzinfo is None:
            raise BadLine(f"{field}: expected a UTC offset, such as Z or +01:00, got {shorten(text)}.")
        return time.astimezone(UTC)
    except OverflowError as error:
        raise BadLine(f"{field}: expected a time from year 1 to 9999, got {shorten(text)}.") from error
    except BadLine:
        raise
    except ValueError as error:
        raise BadLine(f"{field}: expected ISO 8601 or Unix milliseconds, got {shorten(text)}.") from error


def shorten(text: str, length: int = 40) -> str:
    """Return the text quoted, cut to `length` characters."""
    return repr(text if len(text) <= length else f"{text[:length]}…")
