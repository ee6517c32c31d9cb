"""Parse the responses of BC.Game's history.

The format is reconstructed from six independent public clients, which agree; no full body is published
(docs/feeds.md). Unknown fields are ignored. A round that cannot be parsed is reported and does not stop the others.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import msgspec

from games.crash_points import parse_hundredths
from games.feeds.base import FeedError
from games.rounds import Round

T = TypeVar("T")

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MAX_LOGGED_CHARACTERS = 200  # of the site's response, in one line of the log


class Detail(msgspec.Struct):
    """The JSON inside the string `gameDetail`."""

    rate: msgspec.Raw  # text or number, taken digit by digit: a float would not be exact
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


class MalformedResponse(FeedError):
    """The response does not have the expected format."""


class SiteReturnedError(FeedError):
    """The response has a code other than 0."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page of the history, newest round first, as the site returned it."""

    rounds: tuple[Round, ...]
    unreadable: tuple[str, ...]

    @property
    def size(self) -> int:
        return len(self.rounds) + len(self.unreadable)


def parse_page(body: bytes) -> Page:
    """Return the page in a response body. Raises MalformedResponse, SiteReturnedError."""
    try:
        history = _decode(body, History)
    except (ValueError, RecursionError) as error:
        raise MalformedResponse(f"sends a malformed response: {shorten(error)}") from error
    if history.code != 0:
        raise SiteReturnedError(f"refuses the request: code {history.code}, {shorten(history.msg)}")
    rows = None if history.data is None else history.data.list if history.data.list is not None else history.data.items
    if rows is None:
        raise MalformedResponse("sends a malformed response: it has neither data.list nor data.items")
    rounds, unreadable = [], []
    for row in rows:
        try:
            rounds.append(_parse_round(row))
        except (ValueError, RecursionError) as error:
            unreadable.append(f"{shorten(error)} in {shorten(bytes(row).decode(errors='replace'))}")
    return Page(tuple(rounds), tuple(unreadable))


def shorten(value: object) -> str:
    """Return the value as one printable line for a log."""
    text = "".join(character if character.isprintable() else " " for character in str(value))
    return text if len(text) <= MAX_LOGGED_CHARACTERS else f"{text[:MAX_LOGGED_CHARACTERS]}..."


def _parse_round(raw: msgspec.Raw) -> Round:
    """Return the round in one element of the list. Raises ValueError, RecursionError."""
    row = _decode(raw, Row)
    detail = _decode(row.gameDetail.encode(), Detail)
    return Round(
        game_id=row.gameId,
        crash_hundredths=parse_hundredths(bytes(detail.rate).decode().strip('"')),
        hash=detail.hash or None,
        prepare_time=_parse_time(detail.prepareTime),
        begin_time=_parse_time(detail.beginTime),
        end_time=_parse_time(detail.endTime),
    )


def _parse_time(milliseconds: int | None) -> datetime | None:
    """Return the time, or None for 0 and None. Raises ValueError."""
    if not milliseconds:
        return None
    try:
        return EPOCH + timedelta(milliseconds=milliseconds)
    except OverflowError:
        raise ValueError("A time is out of range") from None


def _decode(body: bytes | msgspec.Raw, kind: type[T]) -> T:
    return msgspec.json.decode(body, type=kind, strict=False)  # not strict: the site writes some numbers as text
