"""The range of games that a command is asked about."""

from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

from django.core.management.base import CommandError


def natural(text: str) -> int:
    """For `type=`: a whole number of at least 1."""
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def add_range(parser: ArgumentParser) -> None:
    parser.add_argument("--from", dest="first", type=natural, metavar="ID", help="Default: the oldest game.")
    parser.add_argument("--to", dest="last", type=natural, metavar="ID", help="Default: the newest game.")


def range_of(options: dict[str, Any]) -> tuple[int | None, int | None]:
    """Raises CommandError for one that is upside down, of which nothing can be said."""
    first, last = options["first"], options["last"]
    if first is not None and last is not None and first > last:
        raise CommandError(f"--from {first} is above --to {last}.")
    return first, last
