"""Trouble on the way to Redis at a message of one's choice: the caller dies, the connection drops, others get in.

The connections and the server are real. An answer that is lost was given: the socket is closed once it can be read.
"""

import select
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import redis
from django_redis import get_redis_connection

from cachecore.redis_client import connections

PATIENCE_SECONDS = 10.0  # with a server on two busy cores; the product's time limits have tests of their own


class Killed(BaseException):
    """The process died here. It says nothing more, not even that it lets go of its lock."""


@dataclass(slots=True)
class Trouble:
    """Strikes at message `at`, the first one sent being 0; `answered`: once the server has executed it, else before.

    With `meanwhile` that is done before the message is sent. With `cuts` the connection drops, for this message and
    the next ones, so many in all; redis-py repeats a message once. With neither the process dies.
    `scripts`: only messages that run a script of the view are counted.
    """

    at: int
    scripts: bool = False
    answered: bool = False
    cuts: int = 0
    meanwhile: Callable[[], None] | None = None
    sent: int = 0

    def counts(self, command: bytes) -> bool:
        return not self.scripts or self.is_over or (b"EVALSHA" in command and b"{analytics}" in command)

    @property
    def is_over(self) -> bool:
        """Whether the process is dead: it sends nothing at all."""
        return not self.cuts and not self.meanwhile and self.sent > self.at

    def before_sending(self) -> None:
        number, self.sent = self.sent, self.sent + 1
        if self.meanwhile:
            if number == self.at:
                with troubled(None):
                    self.meanwhile()
        elif self.cuts:
            self._cut(number, answered=False)
        elif number >= self.at + self.answered:
            raise Killed

    def before_reading(self) -> None:
        number = self.sent - 1
        if self.cuts:
            self._cut(number, answered=True)
        elif not self.meanwhile and number == self.at:
            raise Killed

    def _cut(self, number: int, *, answered: bool) -> None:
        if self.answered == answered and self.at <= number < self.at + self.cuts:
            raise redis.ConnectionError("cut by the test")


_trouble: Trouble | None = None


@contextmanager
def troubled(trouble: Trouble | None) -> Iterator[None]:
    """In the block, this happens to whoever talks to the state role."""
    global _trouble
    before, _trouble = _trouble, trouble
    try:
        yield
    finally:
        _trouble = before
        if trouble is not None:
            connections.breaker("state").record_success()


@contextmanager
def tapped() -> Iterator[None]:
    """Make every connection of the state role one that trouble can strike."""
    pool = get_redis_connection("state").connection_pool
    plain, limits = pool.connection_class, dict(pool.connection_kwargs)
    pool.disconnect()
    pool.reset()
    pool.connection_class = type("Tapped", (_Tapped, plain), {})
    pool.connection_kwargs |= {"socket_timeout": PATIENCE_SECONDS, "socket_connect_timeout": PATIENCE_SECONDS}
    try:
        yield
    finally:
        pool.disconnect()
        pool.reset()
        pool.connection_class = plain
        pool.connection_kwargs = limits


class _Tapped:
    """Mixed into redis-py's connection; what it says to introduce itself is no message."""

    _greeting = False
    _asked = False  # and nothing read since

    def connect_check_health(self, *args, **kwargs):
        self._greeting = True
        try:
            return super().connect_check_health(*args, **kwargs)
        finally:
            self._greeting = False

    def send_packed_command(self, command, *args, **kwargs):
        if _trouble and not self._greeting and _trouble.counts(b"".join(command)):
            self._strike(_trouble.before_sending)
            self._asked = True
        return super().send_packed_command(command, *args, **kwargs)

    def read_response(self, *args, **kwargs):
        if _trouble and not self._greeting and _trouble.answered and self._asked:
            self._asked = False
            select.select([self._sock], [], [], PATIENCE_SECONDS)
            self._strike(_trouble.before_reading)
        return super().read_response(*args, **kwargs)

    def _strike(self, blow: Callable[[], None]) -> None:
        try:
            blow()
        except BaseException:
            self.disconnect()
            raise
