"""BC.Game's history as its server answers it.

Pieced together from six independent public clients, which agree; no full body is published (docs/feeds.md).
Unknown fields are ignored. A round that cannot be read is told as such and stops no other.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import msgspec

from games.crash_points import parse_hundredths
from games.feeds.base import FeedTrouble
from games.rounds import Round

T = TypeVar("T")

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SHOWN_CHARACTERS = 200  # of what the site said, in one line of the log


class Detail(msgspec.Struct):
    """The JSON inside the string `gameDetail`."""

    rate: msgspec.Raw  # text or number: its digits as they stand, no float in between
    hash: str | None = None
    prepareTime: int | None = None  # noqa: N815 - milliseconds; 0 is unknown
    beginTime: int | None = None  # noqa: N815
    endTime: int | None = None  # noqa: N815


class Row(msgspec.Struct):
    gameId: int  # noqa: N815 - text or number
    gameDetail: str  # noqa: N815


class Data(msgspec.Struct):
    list: tuple[msgspec.Raw, ...] | None = None
    items: tuple[msgspec.Raw, ...] | None = None  # the older name


class History(msgspec.Struct):
    code: int = 0
    msg: Any = None
    data: Data | None = None


class Unreadable(FeedTrouble):
    """Not the format we know."""


class Declined(FeedTrouble):
    """A code other than 0."""


@dataclass(frozen=True, slots=True)
class Page:
    """Newest first, as answered."""

    rounds: tuple[Round, ...]
    unreadable: tuple[str, ...]

    @property
    def size(self) -> int:
        return len(self.rounds) + len(self.unreadable)


def parse_page(body: bytes) -> Page:
    """Raises Unreadable, Declined."""
    try:
        history = _decode(body, History)
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"answers what cannot be read: {shorten(error)}") from error
    if history.code != 0:
        raise Declined(f"refuses: code {history.code}, {shorten(history.msg)}")
    rows = None if history.data is None else history.data.list if history.data.list is not None else history.data.items
    if rows is None:
        raise Unreadable("answers what cannot be read: neither data.list nor data.items")
    rounds, unreadable = [], []
    for row in rows:
        try:
            rounds.append(_round(row))
        except (ValueError, RecursionError) as error:
            unreadable.append(f"{shorten(error)} in {shorten(bytes(row).decode(errors='replace'))}")
    return Page(tuple(rounds), tuple(unreadable))


def shorten(said: object) -> str:
    """One printable line: it goes into a log."""
    text = "".join(character if character.isprintable() else " " for character in str(said))
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}..."


def _round(raw: msgspec.Raw) -> Round:
    """Raises ValueError, RecursionError."""
    row = _decode(raw, Row)
    detail = _decode(row.gameDetail.encode(), Detail)
    return Round(
        game_id=row.gameId,
        crash_hundredths=parse_hundredths(bytes(detail.rate).decode().strip('"')),
        hash=detail.hash or None,
        prepare_time=_time(detail.prepareTime),
        begin_time=_time(detail.beginTime),
        end_time=_time(detail.endTime),
    )


def _time(milliseconds: int | None) -> datetime | None:
    """Raises ValueError."""
    if not milliseconds:
        return None
    try:
        return EPOCH + timedelta(milliseconds=milliseconds)
    except OverflowError:
        raise ValueError("A time is out of range") from None


def _decode(body: bytes | msgspec.Raw, kind: type[T]) -> T:
    return msgspec.json.decode(body, type=kind, strict=False)  # not strict: a number may stand in a text
