from games.feeds.base import PollResult

WAIT_SECONDS = 60.0


class NoFeed:
    """A feed without rounds, for installations that receive games over HTTP and from files only."""

    source = "none"

    def poll(self) -> PollResult:
        return PollResult(wait_seconds=WAIT_SECONDS, problem="FEED is none: nothing is polled")

    def close(self) -> None:
        pass
