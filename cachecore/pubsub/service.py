"""The pub/sub service of a process: many callbacks, one thread, one connection.

Callbacks run on the listening thread, one after the other, in the order of the messages, so this process has no queue
that could grow. If a callback is too slow, messages wait in the socket's buffer, then in the server's
(`client-output-buffer-limit pubsub`, 32 MB). Beyond that the server closes the connection and the service opens a new
one; the messages in between are lost and counted as one gap. So a callback must pass long work to a thread or a task.
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
from cachecore.pubsub.registry import Callback, Message, Registry, Subject, decode_name, validated_name
from cachecore.redis_client import connections

logger = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 1.0
REPLY_TIMEOUT_SECONDS = 1.0
SLOW_SECONDS = 1.0  # a callback that takes longer is logged


class PubSub:
    """Publish and subscribe from any thread, callbacks included.

    A forked child has its parent's subscriptions, but no thread until its first `subscribe` or `start`.
    """

    def __init__(
        self,
        heartbeat_seconds: float = HEARTBEAT_SECONDS,
        reply_timeout_seconds: float = REPLY_TIMEOUT_SECONDS,
        slow_seconds: float = SLOW_SECONDS,
    ) -> None:
        self._slow_seconds = slow_seconds
        self._heartbeat_seconds = heartbeat_seconds
        self._reply_timeout_seconds = reply_timeout_seconds
        self._lock = threading.Lock()
        self._registry = Registry()
        self._listener: Listener | None = None
        # received, callback_errors, unreadable, slow, gaps; only the listening thread writes them.
        self.counts: Counter[str] = Counter()
        _services.add(self)

    def publish(self, channel: str, message: Any) -> int:
        """Publish any JSON value. Return the number of connections that received it.

        Raises RedisUnavailable: only the publisher can decide what a lost message means.
        """
        name, data = validated_name(channel), msgspec.json.encode(message)
        with connections.guarded_client("state") as client:
            return int(client.publish(name, data))

    def subscribe(self, channel: str, callback: Callback) -> None:
        """Subscribe a callback, without waiting for Redis (`ready` does). The same callback is registered once.

        Raises ValueError if the name is not valid.
        """
        self._add(Subject("channel", validated_name(channel)), callback)

    def psubscribe(self, pattern: str, callback: Callback) -> None:
        """Subscribe a callback to a Redis pattern: `*`, `?`, `[ab]`."""
        self._add(Subject("pattern", validated_name(pattern)), callback)

    def unsubscribe(self, channel: str, callback: Callback | None = None) -> bool:
        """Remove a callback, or all of the channel. Return True if any was removed. A running call may still end."""
        return self._remove(Subject("channel", channel), callback)

    def punsubscribe(self, pattern: str, callback: Callback | None = None) -> bool:
        """Remove a pattern's callback, or all of the pattern. Return True if any was removed."""
        return self._remove(Subject("pattern", pattern), callback)

    def ready(self, timeout_seconds: float) -> bool:
        """Wait until the server has confirmed every subscription. Return False if it has not in time."""
        listener = self._listener
        return listener.ready(timeout_seconds) if listener is not None else not self._registry

    def start(self) -> None:
        """Start the listening thread if there are subscriptions and no thread. A forked worker needs this."""
        with self._lock:
            if self._registry and self._listener is None:
                self._listener = Listener(self._subjects, self._deliver, self._connect, self.counts)
                self._listener.start()

    def reconnect(self) -> None:
        """Replace the connection. Messages until the new one is ready are lost and counted as one gap."""
        listener = self._listener
        if listener is not None:
            listener.reconnect()

    def close(self) -> None:
        """End the thread and the connection, and drop all subscriptions. A later `subscribe` starts again."""
        with self._lock:
            self._registry.clear()
            listener, self._listener = self._listener, None
        if listener is not None:
            listener.stop()

    def after_fork_in_child(self) -> None:
        listener, self._listener = self._listener, None
        self._lock = threading.Lock()  # the parent's may be held by a thread that does not exist here
        self.counts = Counter()
        if listener is not None:
            listener.close_sockets()

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

    def _subjects(self) -> set[Subject]:
        with self._lock:
            return set(self._registry)

    def _connect(self, wakeup: WakeupPipe) -> SubscriberConnection:
        return SubscriberConnection(wakeup, self._heartbeat_seconds, self._reply_timeout_seconds)

    def _deliver(self, reply: Reply) -> None:
        """Call the callbacks for `[message, channel, data]` or `[pmessage, pattern, channel, data]`."""
        *names, data = reply[1:]
        *pattern, channel = [decode_name(name) for name in names]
        self.counts["received"] += 1
        try:
            message = Message(channel, msgspec.json.decode(data), pattern[0] if pattern else None)
        except msgspec.DecodeError:
            self.counts["unreadable"] += 1
            logger.warning("a message on channel %r is not JSON and was dropped", channel)
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
            logger.exception("a callback for channel %r failed: %r", message.channel, callback)
        if time.monotonic() - started > self._slow_seconds:
            self.counts["slow"] += 1
            logger.warning("a callback for channel %r was slow and delayed the others: %r", message.channel, callback)


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
