"""The state that all clients of a process share: the reader of Redis, their wake-ups, and the status of the stream."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable

from analytics.stream import connection_counts, events, pacing
from analytics.stream.client import Client
from analytics.stream.events import Position, Reason
from analytics.stream.mirror import KEPT_BATCHES, Mirror
from analytics.stream.redis_reader import RedisReader
from cachecore import cancelling
from cachecore.clock import now_ms

logger = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 15.0
STALLED_SECONDS = 60.0
DEGRADED_SECONDS = 2.0
SWEEP_SECONDS = 1.0
RETRY_SECONDS = 0.25


class Hub:
    """The clients of one process and event loop. The server's lifespan calls `start` and `stop`.

    `status_event` is the last `degraded` or `resumed` event; a client that was sent another one is sent this one.
    `resets` counts the resets that clients were sent, by reason.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic, kept_batches: int = KEPT_BATCHES) -> None:
        self.clock = clock
        self.clients: set[Client] = set()
        self.status_event = b""
        self.resets: Counter[Reason] = Counter()
        self._kept_batches = kept_batches
        self._reader: RedisReader | None = None
        self._reporter: connection_counts.CountReporter | None = None
        self._degraded = False
        self._last_read_at, self._last_read_ms = clock(), now_ms()
        self._changed = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        self._reader = reader = RedisReader()
        self._reporter = connection_counts.CountReporter()
        self.mirror = Mirror(reader, self._kept_batches)
        self._last_read_at, self._last_read_ms = self.clock(), now_ms()
        await self._advance()
        loops = (self._read(reader), self._wake_on_change(), self._sweep(), self._report())
        self._tasks = [asyncio.create_task(one) for one in loops]

    async def stop(self) -> None:
        self.end_all()
        await cancelling.cancel_and_wait(self._tasks)
        if self._reader is not None:
            await self._reader.aclose()
            self._reader = None
        if self._reporter is not None:
            await self._reporter.aclose()
            self._reporter = None

    def end_all(self) -> None:
        """End the streams of all clients."""
        for client in tuple(self.clients):
            client.end()

    @property
    def available(self) -> bool:
        """True if new clients can be served."""
        return self._reader is not None and self.mirror.generation > 0 and not self._degraded

    async def check_resume(self, last: Position) -> Reason | None:
        """Return None if a client can continue after `last`, or else the reason for a reset."""
        if last.epoch == self.mirror.view.epoch and last.version > self.mirror.history.version:
            await self._advance()  # the client comes from another process that has read further
        history = self.mirror.history
        if last.epoch != self.mirror.view.epoch:
            return "rebuilt"
        if history.batches_behind(last.version) is not None:
            return None
        return "too_old" if last.version < history.oldest_version else "unknown_id"

    async def sweep(self) -> None:
        """Send a heartbeat to clients that were sent nothing for long, and end clients that do not read."""
        now = self.clock()
        silent = [client for client in self.clients if now - client.idle_since >= HEARTBEAT_SECONDS]
        for client in silent:
            if client.writing_since is None:
                client.heartbeat_due = True
            elif now - client.writing_since >= STALLED_SECONDS:
                client.end()
        await pacing.wake(silent, self.clock)

    async def report(self) -> None:
        """Report the number of streams and resets for /metrics."""
        if self._reporter is not None:
            try:
                await self._reporter.report(len(self.clients), self.resets)
            except Exception as error:  # noqa: BLE001  any error: the next report may succeed
                logger.debug("could not report the number of streams: %r", error)

    async def _read(self, reader: RedisReader) -> None:
        """Read changes as they happen, until cancelled."""
        while True:
            succeeded = await self._advance()
            try:
                if succeeded:
                    await reader.wait_for_entry(self.mirror.version)
                    continue
            except Exception as error:  # noqa: BLE001  any error: the next read decides
                logger.debug("waiting for changes: %r", error)
            await asyncio.sleep(RETRY_SECONDS)

    async def _advance(self) -> bool:
        """Read what is new; return False if Redis failed or holds no view.

        Catches every exception: one that ended the reader would leave all streams open but silent.
        """
        try:
            if await self.mirror.advance():
                self._changed.set()
        except Exception as error:  # noqa: BLE001  also the unforeseen, see the docstring
            self._record_failure(error)
            return False
        self._record_success()
        return True

    def _record_failure(self, error: Exception) -> None:
        if not self._degraded and self.clock() - self._last_read_at >= DEGRADED_SECONDS:
            logger.warning("the live stream is interrupted: %s", error or type(error).__name__)
            self._degraded = True
            self._broadcast_status(events.degraded(self._last_read_ms))

    def _record_success(self) -> None:
        self._last_read_at, self._last_read_ms = self.clock(), now_ms()
        if self._degraded:
            logger.warning("the live stream has resumed")
            self._degraded = False
            self._broadcast_status(events.resumed(self.mirror.view.position))

    def _broadcast_status(self, event: bytes) -> None:
        self.status_event = event
        self._changed.set()

    async def _wake_on_change(self) -> None:
        """Wake all clients whenever there is something to send, until cancelled."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            await pacing.wake(tuple(self.clients), self.clock)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            await self.sweep()

    async def _report(self) -> None:
        while True:
            await self.report()
            await asyncio.sleep(connection_counts.REPORT_EVERY_SECONDS)
