from games.feeds.base import Poll

WAIT_SECONDS = 60.0


class NoFeed:
    """Games come over HTTP and from files only; a process that watches stays up and does nothing."""

    source = "none"

    def poll(self) -> Poll:
        return Poll(wait_seconds=WAIT_SECONDS, trouble="FEED is none: nothing is polled")

    def close(self) -> None:
        pass
