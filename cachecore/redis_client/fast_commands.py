"""One command and its reply on the shortest way: connections of redis-py's pool, kept out of it between commands.

redis-py's client and pool cost some 45 us of Python a command (instrumentation, events, looking whether the idle
connection was closed), more than all the rest of a hit. Here a connection that failed is given up, so an idle one owes
no reply; one that the server has dropped meanwhile shows it at its next use, and is made anew once, unless the pool's
`retry` says never. Time limits, authentication, TLS and Sentinel are redis-py's: the connections are its own.
"""

import os
import weakref
from contextlib import suppress
from typing import Any

import hiredis
import redis
from redis.connection import ConnectionPool


class CommandConnections:
    """As many as threads use at once; between commands no more than half of what the pool allows, for its clients.

    Safe to use from any thread: taking and leaving one are atomic.
    """

    def __init__(self, pool: ConnectionPool) -> None:
        self._pool = pool
        self._most_idle = pool.max_connections // 2
        self._idle: list[Any] = []  # of redis-py's connections, whose methods are not annotated
        _all.add(self)

    def execute(self, *command: str | bytes | int) -> Any:
        """The bare reply. Raises what redis-py raises.

        Sent again when the connection broke, as redis-py's client does under the same `retry`: a command that was
        executed and whose reply was lost is executed twice.
        """
        line = self._taken()
        try:
            packed = hiredis.pack_command(command)  # type: ignore[arg-type]  # its stub says: a tuple of one
            try:
                reply = _exchange(line, packed)
            except redis.ConnectionError:
                if not line.retry.get_retries():
                    raise
                line.disconnect()
                reply = _exchange(line, packed)
        except BaseException:
            self._give_up(line)
            raise
        self._leave(line)
        return reply

    def release_idle(self) -> None:
        """All that nobody uses now: somebody found the pool empty."""
        while self._idle:
            self._return_one()

    def reset(self) -> None:
        """In a forked child: the connections are the parent's."""
        self._idle = []

    def _leave(self, line: Any) -> None:
        self._idle.append(line)
        if len(self._idle) > self._most_idle:  # looked at after one's own, so that two at once leave no more either
            self._return_one()

    def _return_one(self) -> None:
        with suppress(IndexError):  # another thread has just taken the last
            self._pool.release(self._idle.pop())

    def _taken(self) -> Any:
        while True:
            try:
                line = self._idle.pop()
            except IndexError:
                return self._pool.get_connection()
            # Of a server that is being replaced (maintenance), or that was the master (Sentinel).
            if self._pool.owns_connection(line) and not line.should_reconnect():
                return line
            self._give_up(line)

    def _give_up(self, line: Any) -> None:
        line.disconnect()
        self._pool.release(line)


def _exchange(line: Any, packed: bytes) -> Any:
    if not line.is_connected:
        line.connect()  # a Sentinel's connection asks here, and only here, who the master is
    line.send_packed_command([packed])
    return line.read_response()


_all: "weakref.WeakSet[CommandConnections]" = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for lines in _all:
        lines.reset()


os.register_at_fork(after_in_child=_after_fork_in_child)
