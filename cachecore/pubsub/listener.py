"""The thread that listens: keeps one connection subscribed to what is wanted, whatever happens to the server."""

import logging
import threading
from collections import Counter
from collections.abc import Callable

import redis

from cachecore.pubsub.connection import Reply, SubscriberConnection, WakeupPipe
from cachecore.pubsub.registry import Subject, text
from cachecore.redis_client.errors import is_unavailable

logger = logging.getLogger(__name__)

BACKOFF_STEP_SECONDS = 0.05
BACKOFF_MAX_SECONDS = 2.0
CLOSE_SECONDS = 5.0


def backoff_seconds(failures: int) -> float:
    """50 ms, 100, 150 .. 2 s."""
    return min(BACKOFF_STEP_SECONDS * failures, BACKOFF_MAX_SECONDS)


class Listener:
    """Asks `wanted` what to be subscribed to, whenever woken; hands every message to `deliver`, on its own thread."""

    def __init__(
        self,
        wanted: Callable[[], set[Subject]],
        deliver: Callable[[Reply], None],
        connect: Callable[[WakeupPipe], SubscriberConnection],
        counts: Counter[str],
    ) -> None:
        self._wanted = wanted
        self._deliver = deliver
        self._connect = connect
        self._counts = counts
        self._alarm = WakeupPipe()
        self._closing = threading.Event()
        self._changed = threading.Condition()
        self._link: SubscriberConnection | None = None
        self._asked: set[Subject] = set()
        self._confirmed: set[Subject] = set()
        self._must_reconnect = False
        self._unconfirmed = 0  # what the server has yet to say of subscriptions
        self._thread = threading.Thread(target=self._run, name="cachecore-pubsub", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        self._alarm.ring()

    def ready(self, timeout_seconds: float) -> bool:
        with self._changed:
            return self._changed.wait_for(self._is_ready, timeout_seconds)

    def stop(self) -> None:
        """Returns when the thread has ended; at once when that is the caller."""
        self._closing.set()
        self.wake()
        if self._thread is not threading.current_thread():
            self._thread.join(CLOSE_SECONDS)

    def reconnect(self) -> None:
        """Make the thread connect anew at once: another server may be primary."""
        self._must_reconnect = True
        self.wake()

    def let_go(self) -> None:
        """In a forked child, where the thread is not: close the copies of the parent's sockets."""
        self._alarm.close()
        if self._link is not None:
            self._link.close()

    def _run(self) -> None:
        failures = 0
        while not self._closing.is_set():
            link = None
            try:
                link = self._connect(self._alarm)  # raises for settings that are wrong
                self._serve(link)
            except Exception as error:  # noqa: BLE001  whatever it is: a connection made anew is the remedy
                failures = 1 if link is not None and link.answered else failures + 1
                self._report(error, failures)
            finally:
                if link is not None:
                    self._drop(link)
            self._closing.wait(backoff_seconds(failures))
        self._alarm.close()

    def _serve(self, link: SubscriberConnection) -> None:
        link.connect()
        self._link, self._asked, self._unconfirmed = link, set(), 0
        self._must_reconnect = False
        while not self._closing.is_set():
            if self._must_reconnect:
                raise redis.ConnectionError("the connections of the state role were reset")
            self._ask(link)
            reply = link.read_reply()
            if reply is not None:
                self._take(link, reply)

    def _ask(self, link: SubscriberConnection) -> None:
        wanted = self._wanted()
        more, less = wanted - self._asked, self._asked - wanted
        with self._changed:
            self._unconfirmed += len(more) + len(less)
        link.subscribe(more)
        link.unsubscribe(less)
        self._asked = wanted

    def _take(self, link: SubscriberConnection, reply: Reply) -> None:
        kind = reply[0].decode()
        if kind in ("message", "pmessage"):
            self._deliver(reply)
        elif kind != "pong":
            self._confirm(kind, text(reply[1]))
        link.rested()

    def _confirm(self, kind: str, name: str) -> None:
        subject = Subject("pattern" if kind.startswith("p") else "channel", name)
        with self._changed:
            self._unconfirmed -= 1
            change = self._confirmed.discard if kind.endswith("unsubscribe") else self._confirmed.add
            change(subject)
            self._changed.notify_all()

    def _is_ready(self) -> bool:
        return self._link is not None and self._unconfirmed == 0 and self._confirmed == self._wanted()

    def _drop(self, link: SubscriberConnection) -> None:
        link.close()
        with self._changed:
            self._link, self._confirmed = None, set()
            self._changed.notify_all()

    def _report(self, error: Exception, failures: int) -> None:
        if failures > 1:  # once per outage, not per attempt
            return
        self._counts["gaps"] += 1
        ours = None if is_unavailable(error) else error  # a fault of ours, with its stack
        logger.warning("pub/sub has no connection, messages are missed until it has: %r", error, exc_info=ours)
