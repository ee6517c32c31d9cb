"""The options --from and --to of commands that work on a range of games."""

from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

from django.core.management.base import CommandError


def natural(text: str) -> int:
    """Return the whole number of at least 1 in the text. Serves as `type=` of an argument."""
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def add_range(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--from", dest="first", type=natural, metavar="ID", help="The first game id (default: the oldest game)."
    )
    parser.add_argument(
        "--to", dest="last", type=natural, metavar="ID", help="The last game id (default: the newest game)."
    )


def range_of(options: dict[str, Any]) -> tuple[int | None, int | None]:
    """Return the bounds. Raises CommandError if --from is above --to."""
    first, last = options["first"], options["last"]
    if first is not None and last is not None and first > last:
        raise CommandError(f"--from must not be above --to, got {first} and {last}.")
    return first, last
