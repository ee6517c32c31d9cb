"""Split many keys into several commands, so that no single one blocks a server for long."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


def batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield lists of up to `size` items. From Python 3.12 on: itertools.batched."""
    remaining = iter(items)
    while batch := list(islice(remaining, size)):
        yield batch
