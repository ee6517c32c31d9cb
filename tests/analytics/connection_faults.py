"""Faults at a chosen message to Redis: the caller dies, the connection drops, or something else happens before it.

Connections and server are real. A reply that is lost was sent: the socket is closed once the reply can be read.
"""

import select
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import redis
from django_redis import get_redis_connection

from cachecore.redis_client import connections

SOCKET_SECONDS = 10.0  # generous for a server on two busy cores; the product's time limits have tests of their own


class ProcessKilled(BaseException):
    """The process died at this point. It sends nothing more, not even to release its lock."""


@dataclass(slots=True)
class Fault:
    """A fault at message `at`, where the first message sent is 0.

    With `meanwhile`, this function is called before the message is sent. With `cuts`, the connection drops for this and
    the following messages, `cuts` in all; redis-py repeats a message once. With neither, the process dies.

    If `answered` is true, the server executes the message first. If `scripts` is true, only messages that run a script
    of the view count.
    """

    at: int
    scripts: bool = False
    answered: bool = False
    cuts: int = 0
    meanwhile: Callable[[], None] | None = None
    sent: int = 0

    def counts(self, command: bytes) -> bool:
        """Return True if this message counts."""
        return not self.scripts or self.is_dead or (b"EVALSHA" in command and b"{analytics}" in command)

    @property
    def is_dead(self) -> bool:
        """True if the process is dead: it sends no message at all."""
        return not self.cuts and not self.meanwhile and self.sent > self.at

    def before_sending(self) -> None:
        number, self.sent = self.sent, self.sent + 1
        if self.meanwhile:
            if number == self.at:
                with inject(None):
                    self.meanwhile()
        elif self.cuts:
            self._cut(number, answered=False)
        elif number >= self.at + self.answered:
            raise ProcessKilled

    def before_reading(self) -> None:
        number = self.sent - 1
        if self.cuts:
            self._cut(number, answered=True)
        elif not self.meanwhile and number == self.at:
            raise ProcessKilled

    def _cut(self, number: int, *, answered: bool) -> None:
        if self.answered == answered and self.at <= number < self.at + self.cuts:
            raise redis.ConnectionError("cut by the test")


_fault: Fault | None = None


@contextmanager
def inject(fault: Fault | None) -> Iterator[None]:
    """Inject the fault into messages to the state role in the block. None: no fault."""
    global _fault
    before, _fault = _fault, fault
    try:
        yield
    finally:
        _fault = before
        if fault is not None:
            connections.breaker("state").record_success()


@contextmanager
def intercepted() -> Iterator[None]:
    """Replace every connection of the state role by one into which faults can be injected."""
    pool = get_redis_connection("state").connection_pool
    plain, limits = pool.connection_class, dict(pool.connection_kwargs)
    pool.disconnect()
    pool.reset()
    pool.connection_class = type("Intercepted", (_Intercepted, plain), {})
    pool.connection_kwargs |= {"socket_timeout": SOCKET_SECONDS, "socket_connect_timeout": SOCKET_SECONDS}
    try:
        yield
    finally:
        pool.disconnect()
        pool.reset()
        pool.connection_class = plain
        pool.connection_kwargs = limits


class _Intercepted:
    """A mixin for redis-py's connection. The messages of its handshake do not count."""

    _in_handshake = False
    _reply_expected = False  # a message was sent, and nothing was read since

    def connect_check_health(self, *args, **kwargs):
        self._in_handshake = True
        try:
            return super().connect_check_health(*args, **kwargs)
        finally:
            self._in_handshake = False

    def send_packed_command(self, command, *args, **kwargs):
        if _fault and not self._in_handshake and _fault.counts(b"".join(command)):
            self._disconnect_on_error(_fault.before_sending)
            self._reply_expected = True
        return super().send_packed_command(command, *args, **kwargs)

    def read_response(self, *args, **kwargs):
        if _fault and not self._in_handshake and _fault.answered and self._reply_expected:
            self._reply_expected = False
            select.select([self._sock], [], [], SOCKET_SECONDS)
            self._disconnect_on_error(_fault.before_reading)
        return super().read_response(*args, **kwargs)

    def _disconnect_on_error(self, hook: Callable[[], None]) -> None:
        try:
            hook()
        except BaseException:
            self.disconnect()
            raise
