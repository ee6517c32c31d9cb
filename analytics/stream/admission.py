"""Limits on the number of open streams: per process, and per client address."""

from collections import Counter

from cachecore.rate_limits import callers


class ProcessFull(Exception):
    """The process has reached its limit of streams."""


class AddressFull(Exception):
    """The address has reached its limit of streams."""


class Admission:
    def __init__(self, max_streams: int, max_per_address: int) -> None:
        self._max_streams = max_streams
        self._max_per_address = max_per_address
        self._total = 0
        self._per_address: Counter[str] = Counter()

    def enter(self, address: str) -> None:
        """Count a new stream. Raises ProcessFull, AddressFull."""
        if self._total >= self._max_streams:
            raise ProcessFull
        if self._per_address[address] >= self._max_per_address * callers.limit_factor(address):
            raise AddressFull
        self._total += 1
        self._per_address[address] += 1

    def leave(self, address: str) -> None:
        """Count the end of a stream. Call this once for every `enter` that did not raise."""
        self._total -= 1
        self._per_address[address] -= 1
        if not self._per_address[address]:
            del self._per_address[address]
