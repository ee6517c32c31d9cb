"""One client: its position in the history, and what it is sent next. It has no queue, so its memory cannot grow."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from typing import Any, Protocol

from analytics.stream import events
from analytics.stream.eager_tasks import start_eagerly
from analytics.stream.mirror import Mirror
from cachecore.asgi import Receive, Send

logger = logging.getLogger(__name__)

# A client that once had all batches and is further behind than this gets the latest state instead of the batches.
MAX_BATCHES_BEHIND = 64
LAST_CHUNK_SECONDS = 0.5


class SharedState(Protocol):
    """The state that all clients of a process share. analytics/stream/hub.py implements it."""

    mirror: Mirror
    status_event: bytes
    resets: Counter[events.Reason]
    clock: Callable[[], float]


class Client:
    """A client of the stream. It writes when it is woken; waking it during a write has no effect and costs nothing."""

    __slots__ = (
        *("_caught_up", "_ended", "_generation", "_preamble", "_send", "_serving", "_shared", "_status_event"),
        *("_version", "_writing", "heartbeat_due", "idle_since", "writing_since"),
    )

    def __init__(self, shared: SharedState, send: Send, preamble: bytes, after: int | None) -> None:
        """Create a client that is sent `preamble` first, then the batches after version `after`.

        If `after` is None, it is sent a snapshot instead, then the batches after the snapshot.
        """
        self._shared = shared
        self._send = send
        self._preamble = preamble
        self._version = after
        self._generation = shared.mirror.generation
        self._status_event = shared.status_event
        self._caught_up = self._ended = self.heartbeat_due = False
        self._serving: asyncio.Task[Any] | None = None
        self._writing: asyncio.Task[None] | None = None
        self.idle_since = shared.clock()
        self.writing_since: float | None = None

    async def serve(self, receive: Receive) -> None:
        """Serve until the client disconnects or `end` is called."""
        self.wake()
        self._serving = asyncio.current_task()
        try:
            while not self._ended and (await receive())["type"] != "http.disconnect":
                pass
        except asyncio.CancelledError:
            if not self._ended or self._serving is None:
                raise
            self._serving.uncancel()
            await self._send_last_chunk()
        finally:
            self._ended = True
            self._serving = None
            if self._writing is not None:
                self._writing.cancel()

    def wake(self) -> None:
        """Start to write what is new, unless a write is in progress: that continues with what is new by itself."""
        if self._writing is None and not self._ended:
            self._writing = start_eagerly(self._write())

    def end(self) -> None:
        """End the stream."""
        if not self._ended:
            self._ended = True
            if self._serving is not None:
                self._serving.cancel()

    async def _write(self) -> None:
        try:
            while not self._ended and (body := self._next()) is not None:
                self.writing_since = self._shared.clock()
                await self._send({"type": "http.response.body", "body": body, "more_body": True})
                self.idle_since = self._shared.clock()
                self.writing_since = None
        except Exception as error:  # noqa: BLE001  each server has its own errors for a client that disconnected
            logger.debug("could not write to a client: %r", error)
            self.end()
        finally:
            self._writing = None

    def _next(self) -> bytes | None:
        """Return what to write next, or None if the client has everything."""
        shared, mirror = self._shared, self._shared.mirror
        if self._generation != mirror.generation:
            return self._reset(mirror.reason)
        if self._version is None:
            return self._snapshot()
        if self._preamble:
            return self._take_preamble()
        if self._status_event is not shared.status_event:
            self._status_event = shared.status_event
            return shared.status_event
        behind = mirror.history.batches_behind(self._version)
        if behind is None:
            return self._reset("too_old")
        if behind > MAX_BATCHES_BEHIND and self._caught_up:
            return self._reset("slow")
        if behind:
            body, self._version = mirror.history.batches_after(self._version)
            return body
        self._caught_up = True
        return events.HEARTBEAT if self._take_heartbeat() else None

    def _reset(self, reason: events.Reason) -> bytes:
        self._shared.resets[reason] += 1
        return self._snapshot(events.reset(reason))

    def _snapshot(self, reset: bytes = b"") -> bytes:
        mirror = self._shared.mirror
        self._generation, self._version = mirror.generation, mirror.view.version
        self._caught_up = True
        return self._take_preamble() + reset + mirror.snapshot

    def _take_preamble(self) -> bytes:
        preamble, self._preamble = self._preamble, b""
        return preamble

    def _take_heartbeat(self) -> bool:
        due, self.heartbeat_due = self.heartbeat_due, False
        return due

    async def _send_last_chunk(self) -> None:
        """End the response properly, unless a write is in progress because the client does not read."""
        if self._writing is None:
            try:
                async with asyncio.timeout(LAST_CHUNK_SECONDS):
                    await self._send({"type": "http.response.body", "body": b"", "more_body": False})
            except Exception as error:  # noqa: BLE001  each server has its own errors for a client that disconnected
                logger.debug("could not end a client's response: %r", error)
