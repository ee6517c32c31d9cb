"""How many streams a process holds, and how many of them for one address."""

from collections import Counter


class ProcessFull(Exception):
    """The process holds as many streams as it may."""


class AddressFull(Exception):
    """This address holds as many streams as one may."""


class Admission:
    def __init__(self, most: int, most_per_address: int) -> None:
        self._most = most
        self._most_per_address = most_per_address
        self._total = 0
        self._held: Counter[str] = Counter()

    def enter(self, address: str) -> None:
        """Raises Full, TooMany."""
        if self._total >= self._most:
            raise ProcessFull
        if self._held[address] >= self._most_per_address:
            raise AddressFull
        self._total += 1
        self._held[address] += 1

    def leave(self, address: str) -> None:
        """Once for every `enter` that did not raise."""
        self._total -= 1
        self._held[address] -= 1
        if not self._held[address]:
            del self._held[address]
