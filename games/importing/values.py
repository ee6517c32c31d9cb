"""From a file's texts to a round. Exact or refused: no float, no guessed zone, no guessed digit."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from games.crash_points import parse_hundredths
from games.importing.lines import BadLine
from games.rounds import TIME_FIELDS, Round, check, normalise

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NOTHING = frozenset({"", "-", "nan", "null", "none", "n/a"})  # what sources write for "not known"

_GAME_ID = re.compile(r"(?:Game\s*)?#?\s*([0-9]{1,16})", re.IGNORECASE)
_CRASH_POINT = re.compile(r"([0-9]+|[0-9]{1,3}(?:,[0-9]{3})+)(\.[0-9]+)?\s*x?", re.IGNORECASE)
_MILLISECONDS = re.compile(r"[0-9]{1,16}")


def to_round(values: Mapping[str, str]) -> Round:
    """Field -> text to a checked, normalised round. Raises BadLine with every reason of the first kind met."""
    told = Round(
        game_id=game_id(values.get("game_id", "")),
        crash_hundredths=crash_hundredths(values.get("crash_point", "")),
        hash=known(values.get("hash", "")),
        **{name: time(name, values.get(name, "")) for name in TIME_FIELDS},
    )
    if errors := check(told, datetime.now(UTC)):
        raise BadLine(reason_of(errors))
    return normalise(told)


def reason_of(errors: Mapping[str, list[str]]) -> str:
    return " ".join(f"{field}: {reason}" for field, reasons in errors.items() for reason in reasons)


def known(text: str) -> str | None:
    text = text.strip()
    return None if text.lower() in NOTHING else text


def game_id(text: str) -> int:
    """`2699754`, `#2699754` and `Game #2699754`."""
    if found := _GAME_ID.fullmatch(text.strip()):
        return int(found[1])
    raise BadLine(f"game_id: expected a whole number, got {cut(text)}.")


def crash_hundredths(text: str) -> int:
    """`2`, `2.34`, `2.34x` and `1,234.56`, where the commas must stand between groups of three."""
    found = _CRASH_POINT.fullmatch(text.strip())
    if not found:
        raise BadLine(f"crash_point: expected a number, got {cut(text)}.")
    try:
        return parse_hundredths(found[1].replace(",", "") + (found[2] or ""))
    except ValueError as error:
        raise BadLine(f"crash_point: {error} Got {cut(text)}.") from error


def time(field: str, text: str) -> datetime | None:
    """ISO 8601 with an offset, or Unix milliseconds, of which 0 is what the sites send for "not known"."""
    told = known(text)
    if told is None or told == "0":
        return None
    try:
        if _MILLISECONDS.fullmatch(told):
            return EPOCH + timedelta(milliseconds=int(told))
        moment = datetime.fromisoformat(told)
        if moment.tzinfo is None:
            raise BadLine(f"{field}: needs a UTC offset, such as Z or +01:00, got {cut(text)}.")
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise BadLine(f"{field}: is outside the calendar, got {cut(text)}.") from error
    except BadLine:
        raise
    except ValueError as error:
        raise BadLine(f"{field}: expected ISO 8601 or Unix milliseconds, got {cut(text)}.") from error


def cut(text: str, length: int = 40) -> str:
    return repr(text if len(text) <= length else f"{text[:length]}…")
