"""One Redis connection in subscriber mode, as used by the listening thread."""

import select
import socket
import time
from collections.abc import Callable, Iterable
from typing import Any

import redis
from django_redis import get_redis_connection
from redis.backoff import NoBackoff
from redis.retry import Retry

from cachecore.pubsub.registry import Kind, Subject
from cachecore.redis_client.aliases import alias_of

SUBSCRIBE: dict[Kind, str] = {"channel": "SUBSCRIBE", "pattern": "PSUBSCRIBE"}
UNSUBSCRIBE: dict[Kind, str] = {"channel": "UNSUBSCRIBE", "pattern": "PUNSUBSCRIBE"}

Reply = list[Any]


class ConnectionSilent(redis.ConnectionError):
    """The server did not reply in time: it hangs, or the connection was lost unnoticed."""


class SubscriberConnection:
    """Sends subscriptions, reads replies, and detects a server that no longer replies.

    While a reply is pending, silence of `reply_timeout_seconds` is a failure. Otherwise silence of `heartbeat_seconds`
    is answered by a PING. `wakeup` interrupts the wait.
    """

    def __init__(
        self,
        wakeup: "WakeupPipe",
        heartbeat_seconds: float,
        reply_timeout_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        pool = get_redis_connection(alias_of("state")).connection_pool
        # No retry by redis-py: a connection that it replaced silently would have no subscriptions.
        options = {**pool.connection_kwargs, "retry": Retry(NoBackoff(), 0), "socket_timeout": reply_timeout_seconds}
        self._connection = pool.connection_class(**options)
        self._wakeup = wakeup
        self._heartbeat_seconds = heartbeat_seconds
        self._reply_timeout_seconds = reply_timeout_seconds
        self._clock = clock
        self._silent_since = clock()
        self.pending_replies = 0
        self.has_replied = False

    def connect(self) -> None:
        self._connection.connect()
        self._silent_since = self._clock()

    def subscribe(self, subjects: Iterable[Subject]) -> None:
        self._send_for(SUBSCRIBE, subjects)

    def unsubscribe(self, subjects: Iterable[Subject]) -> None:
        self._send_for(UNSUBSCRIBE, subjects)

    def read_reply(self) -> Reply | None:
        """Return the next reply, or None after a wake-up or a PING. Raises ConnectionSilent, ConnectionError."""
        waited = self._clock() - self._silent_since
        if self._is_readable(max(0.0, self._max_silence_seconds() - waited)):
            return self._read()
        if self._wakeup.drain():
            return None
        if self.pending_replies:
            raise ConnectionSilent(f"no reply for {self._reply_timeout_seconds} s")
        self._send("PING")
        self.pending_replies += 1
        return None

    def restart_silence(self) -> None:
        """Count silence from now on. Called once a reply has been handled, however long that took."""
        self._silent_since = self._clock()

    def close(self) -> None:
        """Close the socket. A forked child thereby closes its copy only, not the parent's connection."""
        self._connection.disconnect()

    def _send_for(self, commands: dict[Kind, str], subjects: Iterable[Subject]) -> None:
        by_kind: dict[Kind, list[str]] = {}
        for subject in subjects:
            by_kind.setdefault(subject.kind, []).append(subject.name)
        for kind, names in by_kind.items():
            self._send(commands[kind], *names)
            self.pending_replies += len(names)

    def _send(self, *command: str) -> None:
        self._connection.send_command(*command, check_health=False)
        self._silent_since = self._clock()

    def _max_silence_seconds(self) -> float:
        return self._reply_timeout_seconds if self.pending_replies else self._heartbeat_seconds

    def _is_readable(self, seconds: float) -> bool:
        if self._connection.can_read(0):  # includes data that redis-py's parser has read already
            return True
        poller, connected = select.poll(), self._connection._get_socket().fileno()
        for descriptor in (connected, self._wakeup.fileno()):
            poller.register(descriptor, select.POLLIN)
        return connected in dict(poller.poll(seconds * 1000))

    def _read(self) -> Reply:
        reply = self._connection.read_response(push_request=True)
        # RESP3 replies to a PING with a bare string, RESP2 in subscriber mode with a pair.
        found = reply if isinstance(reply, list) else [b"pong", reply]
        self.has_replied = True
        if found[0] not in (b"message", b"pmessage"):
            self.pending_replies -= 1
        return found


class WakeupPipe:
    """Lets another thread interrupt a `poll`."""

    def __init__(self) -> None:
        self._reading_end, self._writing_end = socket.socketpair()
        self._reading_end.setblocking(False)
        self._writing_end.setblocking(False)

    def wake(self) -> None:
        try:
            self._writing_end.send(b"!")
        except OSError:
            return  # full, so the reader will wake up anyway; or closed, so there is no reader any more

    def drain(self) -> bool:
        """Read all wake-ups. Return True if there was one since the last call."""
        try:
            return bool(self._reading_end.recv(4096))
        except BlockingIOError:
            return False

    def fileno(self) -> int:
        return self._reading_end.fileno()

    def close(self) -> None:
        self._reading_end.close()
        self._writing_end.close()
