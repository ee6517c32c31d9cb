"""Many names for one call: in parts, so that no single one holds up a server."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


def batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """As `itertools.batched` of Python 3.12, in lists."""
    left = iter(items)
    while part := list(islice(left, size)):
        yield part
