"""One connection in subscriber mode, as the listening thread uses it."""

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
    """The server did not answer in time: hung, or gone without a word."""


class SubscriberConnection:
    """Asks, hears, and notices when nobody answers.

    While a reply is owed, silence of `answer_seconds` is a failure; else silence of `heartbeat_seconds` is asked about
    with a PING. `alarm` interrupts the wait.
    """

    def __init__(
        self,
        alarm: "WakeupPipe",
        heartbeat_seconds: float,
        answer_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        pool = get_redis_connection(alias_of("state")).connection_pool
        # No retry of its own: a connection made anew behind our back would be subscribed to nothing.
        options = {**pool.connection_kwargs, "retry": Retry(NoBackoff(), 0), "socket_timeout": answer_seconds}
        self._connection = pool.connection_class(**options)
        self._alarm = alarm
        self._heartbeat_seconds = heartbeat_seconds
        self._answer_seconds = answer_seconds
        self._clock = clock
        self._last_word = clock()
        self.owed = 0  # replies that the server has yet to give
        self.answered = False

    def connect(self) -> None:
        self._connection.connect()
        self._last_word = self._clock()

    def subscribe(self, subjects: Iterable[Subject]) -> None:
        self._ask(SUBSCRIBE, subjects)

    def unsubscribe(self, subjects: Iterable[Subject]) -> None:
        self._ask(UNSUBSCRIBE, subjects)

    def read_reply(self) -> Reply | None:
        """The next thing said; None when the alarm interrupted, or after a PING. Raises Silent, ConnectionError."""
        waited = self._clock() - self._last_word
        if self._readable(max(0.0, self._patience() - waited)):
            return self._read()
        if self._alarm.rung():
            return None
        if self.owed:
            raise ConnectionSilent(f"no answer for {self._answer_seconds} s")
        self._send("PING")
        self.owed += 1
        return None

    def rested(self) -> None:
        """What was heard has been dealt with, however long that took: silence begins now."""
        self._last_word = self._clock()

    def close(self) -> None:
        """Also in a forked child, which thereby closes its copy of the socket and not the connection."""
        self._connection.disconnect()

    def _ask(self, commands: dict[Kind, str], subjects: Iterable[Subject]) -> None:
        by_kind: dict[Kind, list[str]] = {}
        for subject in subjects:
            by_kind.setdefault(subject.kind, []).append(subject.name)
        for kind, names in by_kind.items():
            self._send(commands[kind], *names)
            self.owed += len(names)

    def _send(self, *command: str) -> None:
        self._connection.send_command(*command, check_health=False)
        self._last_word = self._clock()

    def _patience(self) -> float:
        return self._answer_seconds if self.owed else self._heartbeat_seconds

    def _readable(self, seconds: float) -> bool:
        if self._connection.can_read(0):  # also what the parser has read already
            return True
        poller, connected = select.poll(), self._connection._get_socket().fileno()
        for descriptor in (connected, self._alarm.fileno()):
            poller.register(descriptor, select.POLLIN)
        return connected in dict(poller.poll(seconds * 1000))

    def _read(self) -> Reply:
        reply = self._connection.read_response(push_request=True)
        # RESP3 answers a PING with a bare string, RESP2 in subscriber mode with a pair.
        found = reply if isinstance(reply, list) else [b"pong", reply]
        self.answered = True
        if found[0] not in (b"message", b"pmessage"):
            self.owed -= 1
        return found


class WakeupPipe:
    """What another thread rings to interrupt a `poll`."""

    def __init__(self) -> None:
        self._hears, self._rings = socket.socketpair()
        self._hears.setblocking(False)
        self._rings.setblocking(False)

    def ring(self) -> None:
        try:
            self._rings.send(b"!")
        except OSError:
            return  # full of rings already, or nobody is there any more to hear it

    def rung(self) -> bool:
        """Whether it rang since the last look."""
        try:
            return bool(self._hears.recv(4096))
        except BlockingIOError:
            return False

    def fileno(self) -> int:
        return self._hears.fileno()

    def close(self) -> None:
        self._hears.close()
        self._rings.close()
