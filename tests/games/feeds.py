"""Shared by the tests of the feeds: a stop flag that does not sleep, and a feed with given results."""

from games.feeds.base import PollResult
from games.feeds.shutdown import StopFlag


class RecordedWaits(StopFlag):
    """Records the waits instead of sleeping, and requests a stop after `until` of them."""

    def __init__(self, until: int | None = None) -> None:
        super().__init__()
        self.seconds: list[float] = []
        self._until = until

    def wait(self, seconds: float) -> None:
        self.seconds.append(seconds)
        if self._until is not None and len(self.seconds) >= self._until:
            self._is_set = True


class ListFeed:
    """Returns the given poll results in turn."""

    source = "test"

    def __init__(self, *polls: PollResult) -> None:
        self.polls = list(polls)

    def poll(self) -> PollResult:
        return self.polls.pop(0)

    def close(self) -> None:
        pass
