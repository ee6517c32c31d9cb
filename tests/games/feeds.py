"""What the tests of the feeds share: a stop that does not sleep, and a feed that says what it is given."""

from games.feeds.base import Poll
from games.feeds.shutdown import Stop


class Waits(Stop):
    """Remembers the waits instead of waiting; asks for the end when `until` of them were made."""

    def __init__(self, until: int | None = None) -> None:
        super().__init__()
        self.seconds: list[float] = []
        self._until = until

    def wait(self, seconds: float) -> None:
        self.seconds.append(seconds)
        if self._until is not None and len(self.seconds) >= self._until:
            self._asked = True


class ListFeed:
    """Gives the polls it was made with, in turn."""

    source = "test"

    def __init__(self, *polls: Poll) -> None:
        self.polls = list(polls)

    def poll(self) -> Poll:
        return self.polls.pop(0)

    def close(self) -> None:
        pass
