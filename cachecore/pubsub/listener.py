"""The listening thread: it keeps one connection with the desired subscriptions, whatever happens to the server."""

import logging
import threading
from collections import Counter
from collections.abc import Callable

import redis

from cachecore.pubsub.connection import Reply, SubscriberConnection, WakeupPipe
from cachecore.pubsub.registry import Subject, decode_name
from cachecore.redis_client.errors import is_unavailable

logger = logging.getLogger(__name__)

BACKOFF_STEP_SECONDS = 0.05
BACKOFF_MAX_SECONDS = 2.0
CLOSE_SECONDS = 5.0


def backoff_seconds(failures: int) -> float:
    """Return the pause after consecutive failures: 50 ms, 100, 150 and so on, up to 2 s."""
    return min(BACKOFF_STEP_SECONDS * failures, BACKOFF_MAX_SECONDS)


class Listener:
    """Reads the desired subscriptions from `desired_subjects` after each wake-up, and passes messages to `deliver`."""

    def __init__(
        self,
        desired_subjects: Callable[[], set[Subject]],
        deliver: Callable[[Reply], None],
        connect: Callable[[WakeupPipe], SubscriberConnection],
        counts: Counter[str],
    ) -> None:
        self._desired_subjects = desired_subjects
        self._deliver = deliver
        self._connect = connect
        self._counts = counts
        self._wakeup = WakeupPipe()
        self._closing = threading.Event()
        self._changed = threading.Condition()
        self._connection: SubscriberConnection | None = None
        self._requested: set[Subject] = set()
        self._confirmed: set[Subject] = set()
        self._must_reconnect = False
        self._unconfirmed = 0  # number of subscribe and unsubscribe commands without a reply
        self._thread = threading.Thread(target=self._run, name="cachecore-pubsub", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        self._wakeup.wake()

    def ready(self, timeout_seconds: float) -> bool:
        with self._changed:
            return self._changed.wait_for(self._is_ready, timeout_seconds)

    def stop(self) -> None:
        """End the thread, and wait for that unless this is the listening thread itself."""
        self._closing.set()
        self.wake()
        if self._thread is not threading.current_thread():
            self._thread.join(CLOSE_SECONDS)

    def reconnect(self) -> None:
        """Replace the connection at once, because another server may be the primary now."""
        self._must_reconnect = True
        self.wake()

    def close_sockets(self) -> None:
        """Close the copies of the parent's sockets in a forked child, where the thread does not exist."""
        self._wakeup.close()
        if self._connection is not None:
            self._connection.close()

    def _run(self) -> None:
        failures = 0
        while not self._closing.is_set():
            connection = None
            try:
                connection = self._connect(self._wakeup)  # raises if the settings are wrong
                self._serve(connection)
            except Exception as error:  # noqa: BLE001  whatever the reason, a new connection is the remedy
                failures = 1 if connection is not None and connection.has_replied else failures + 1
                self._report(error, failures)
            finally:
                if connection is not None:
                    self._drop(connection)
            self._closing.wait(backoff_seconds(failures))
        self._wakeup.close()

    def _serve(self, connection: SubscriberConnection) -> None:
        connection.connect()
        self._connection, self._requested, self._unconfirmed = connection, set(), 0
        self._must_reconnect = False
        while not self._closing.is_set():
            if self._must_reconnect:
                raise redis.ConnectionError("the connections of the state role were reset")
            self._update_subscriptions(connection)
            reply = connection.read_reply()
            if reply is not None:
                self._handle(connection, reply)

    def _update_subscriptions(self, connection: SubscriberConnection) -> None:
        desired = self._desired_subjects()
        added, removed = desired - self._requested, self._requested - desired
        with self._changed:
            self._unconfirmed += len(added) + len(removed)
        connection.subscribe(added)
        connection.unsubscribe(removed)
        self._requested = desired

    def _handle(self, connection: SubscriberConnection, reply: Reply) -> None:
        kind = reply[0].decode()
        if kind in ("message", "pmessage"):
            self._deliver(reply)
        elif kind != "pong":
            self._confirm(kind, decode_name(reply[1]))
        connection.restart_silence()

    def _confirm(self, kind: str, name: str) -> None:
        subject = Subject("pattern" if kind.startswith("p") else "channel", name)
        with self._changed:
            self._unconfirmed -= 1
            change = self._confirmed.discard if kind.endswith("unsubscribe") else self._confirmed.add
            change(subject)
            self._changed.notify_all()

    def _is_ready(self) -> bool:
        return self._connection is not None and self._unconfirmed == 0 and self._confirmed == self._desired_subjects()

    def _drop(self, connection: SubscriberConnection) -> None:
        connection.close()
        with self._changed:
            self._connection, self._confirmed = None, set()
            self._changed.notify_all()

    def _report(self, error: Exception, failures: int) -> None:
        if failures > 1:  # log once per outage, not per attempt
            return
        self._counts["gaps"] += 1
        traceback = None if is_unavailable(error) else error  # a programming error is logged with its traceback
        logger.warning("pub/sub has no connection and misses messages until it has: %r", error, exc_info=traceback)
