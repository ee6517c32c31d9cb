"""The pub/sub service of a process: many callbacks, one thread, one connection.

Bounds. Callbacks run on the listening thread, one after the other, in the order of the messages; there is no queue in
this process that could grow. A callback that is too slow makes the server wait, first in the socket's buffer, then in
its own (`client-output-buffer-limit pubsub`, 32 MB); beyond that the server ends the connection, the service makes a
new one, and the messages between are lost and counted as one gap. So: hand long work to a thread or a task.
"""

import logging
import os
import threading
import time
import weakref
from collections import Counter
from typing import Any

import msgspec

from cachecore.keys import Role
from cachecore.pubsub.connection import Reply, SubscriberConnection, WakeupPipe
from cachecore.pubsub.listener import Listener
from cachecore.pubsub.registry import Callback, Message, Registry, Subject, checked, text
from cachecore.redis_client import connections

logger = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 1.0
ANSWER_SECONDS = 1.0
SLOW_SECONDS = 1.0  # a callback that takes longer is named in the log


class PubSub:
    """Safe to use from any thread, callbacks included.

    A forked child has its parent's subscriptions and no thread: its first `subscribe`, or `start`, makes it listen.
    """

    def __init__(
        self,
        heartbeat_seconds: float = HEARTBEAT_SECONDS,
        answer_seconds: float = ANSWER_SECONDS,
        slow_seconds: float = SLOW_SECONDS,
    ) -> None:
        self._slow_seconds = slow_seconds
        self._heartbeat_seconds = heartbeat_seconds
        self._answer_seconds = answer_seconds
        self._lock = threading.Lock()
        self._registry = Registry()
        self._listener: Listener | None = None
        # received, callback_errors, unreadable, slow, gaps: written by the listening thread alone.
        self.counts: Counter[str] = Counter()
        _services.add(self)

    def publish(self, channel: str, message: Any) -> int:
        """How many connections got it. Raises RedisUnavailable: what a lost message means is the publisher's to say."""
        name, data = checked(channel), msgspec.json.encode(message)
        with connections.guarded_client("state") as client:
            return int(client.publish(name, data))

    def subscribe(self, channel: str, callback: Callback) -> None:
        """Returns at once, whether Redis is there or not; `ready` waits. The same callback counts once.

        Raises ValueError for what is no channel.
        """
        self._add(Subject("channel", checked(channel)), callback)

    def psubscribe(self, pattern: str, callback: Callback) -> None:
        """A pattern of Redis: `*`, `?`, `[ab]`."""
        self._add(Subject("pattern", checked(pattern)), callback)

    def unsubscribe(self, channel: str, callback: Callback | None = None) -> bool:
        """Whether it was there; without a callback all of the channel. One that is being called may still end."""
        return self._remove(Subject("channel", channel), callback)

    def punsubscribe(self, pattern: str, callback: Callback | None = None) -> bool:
        return self._remove(Subject("pattern", pattern), callback)

    def ready(self, timeout_seconds: float) -> bool:
        """Wait until the server has confirmed every subscription; whether it has."""
        listener = self._listener
        return listener.ready(timeout_seconds) if listener is not None else not self._registry

    def start(self) -> None:
        """Listen, if anybody subscribed and no thread does so yet. For a forked worker."""
        with self._lock:
            if self._registry and self._listener is None:
                self._listener = Listener(self._wanted, self._deliver, self._link, self.counts)
                self._listener.start()

    def reconnect(self) -> None:
        """Make the listening thread connect anew; messages until then are lost and counted as one gap."""
        listener = self._listener
        if listener is not None:
            listener.reconnect()

    def close(self) -> None:
        """End the thread and the connection, forget the subscriptions. Idempotent; a later `subscribe` begins anew."""
        with self._lock:
            self._registry.clear()
            listener, self._listener = self._listener, None
        if listener is not None:
            listener.stop()

    def after_fork_in_child(self) -> None:
        listener, self._listener = self._listener, None
        self._lock = threading.Lock()  # the parent's may be held by a thread that is not here
        self.counts = Counter()
        if listener is not None:
            listener.let_go()

    def _add(self, subject: Subject, callback: Callback) -> None:
        with self._lock:
            self._registry.add(subject, callback)
            self._wake()
        self.start()

    def _remove(self, subject: Subject, callback: Callback | None) -> bool:
        with self._lock:
            removed = self._registry.remove(subject, callback)
            self._wake()
        return removed

    def _wake(self) -> None:
        if self._listener is not None:
            self._listener.wake()

    def _wanted(self) -> set[Subject]:
        with self._lock:
            return set(self._registry)

    def _link(self, alarm: WakeupPipe) -> SubscriberConnection:
        return SubscriberConnection(alarm, self._heartbeat_seconds, self._answer_seconds)

    def _deliver(self, reply: Reply) -> None:
        """`[message, channel, data]` or `[pmessage, pattern, channel, data]`."""
        *names, data = reply[1:]
        *pattern, channel = [text(name) for name in names]
        self.counts["received"] += 1
        try:
            message = Message(channel, msgspec.json.decode(data), pattern[0] if pattern else None)
        except msgspec.DecodeError:
            self.counts["unreadable"] += 1
            logger.warning("a message on %r is not JSON and was dropped", channel)
            return
        subject = Subject("pattern", pattern[0]) if pattern else Subject("channel", channel)
        with self._lock:
            callbacks = self._registry.callbacks(subject)
        for callback in callbacks:
            self._call(callback, message)

    def _call(self, callback: Callback, message: Message) -> None:
        started = time.monotonic()
        try:
            callback(message)
        except Exception:
            self.counts["callback_errors"] += 1
            logger.exception("a callback of %r failed: %r", message.channel, callback)
        if time.monotonic() - started > self._slow_seconds:
            self.counts["slow"] += 1
            logger.warning("a callback of %r kept the others waiting: %r", message.channel, callback)


_services: "weakref.WeakSet[PubSub]" = weakref.WeakSet()


def _on_reset(role: Role) -> None:
    if role == "state":
        for service in list(_services):
            service.reconnect()


connections.on_reset.append(_on_reset)


def _after_fork_in_child() -> None:
    for service in _services:
        service.after_fork_in_child()


os.register_at_fork(after_in_child=_after_fork_in_child)
