"""A fast path for single commands: connections borrowed from redis-py's pool and kept between commands.

redis-py's client and pool cost some 45 us of Python per command (instrumentation, events, a check whether the idle
connection was closed), more than all the rest of a cache hit. Here a failed connection is discarded, so an idle one
never has an unread reply. An idle connection that the server has dropped fails at its next use and is reconnected
once, unless the pool's `retry` forbids that. Time limits, authentication, TLS and Sentinel are redis-py's own: these
are its connections.
"""

import os
import weakref
from contextlib import suppress
from typing import Any

import hiredis
import redis
from redis.connection import ConnectionPool


class CommandConnections:
    """The connections of one pool that execute single commands, as many as threads use at the same time.

    Between commands at most half of the pool's connections are kept idle here; its clients get the others. Safe to
    use from any thread: taking and returning a connection are atomic.
    """

    def __init__(self, pool: ConnectionPool) -> None:
        self._pool = pool
        self._max_idle = pool.max_connections // 2
        self._idle: list[Any] = []  # of redis-py's connections, whose methods are not annotated
        _instances.add(self)

    def execute(self, *command: str | bytes | int, retry: bool = True) -> Any:
        """Return the raw reply to a command. Raises what redis-py raises.

        The command is sent again if the connection broke, as redis-py's client does under the same `retry`. So a
        command that was executed and whose reply was lost is executed twice. `retry=False`: the command is sent once,
        on a connection that was found open just before.
        """
        connection = self._take() if retry else self._take_open()
        try:
            packed = hiredis.pack_command(command)  # type: ignore[arg-type]  # its stub says: a tuple of one
            try:
                reply = _exchange(connection, packed)
            except redis.ConnectionError:
                if not retry or not connection.retry.get_retries():
                    raise
                connection.disconnect()
                reply = _exchange(connection, packed)
        except redis.ResponseError:
            self._put_back(connection)  # its reply was read whole
            raise
        except BaseException:
            self._discard(connection)
            raise
        self._put_back(connection)
        return reply

    def release_idle(self) -> None:
        """Return all idle connections to the pool, because a client found the pool exhausted."""
        while self._idle:
            self._release_one()

    def reset(self) -> None:
        """Drop the idle connections in a forked child: they are the parent's."""
        self._idle = []

    def _put_back(self, connection: Any) -> None:
        self._idle.append(connection)
        if len(self._idle) > self._max_idle:  # checked after appending, so that concurrent callers respect it too
            self._release_one()

    def _release_one(self) -> None:
        with suppress(IndexError):  # another thread has just taken the last one
            self._pool.release(self._idle.pop())

    def _take(self) -> Any:
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return self._pool.get_connection()
            # A connection to a server under maintenance, or to a former primary (Sentinel), must not be used again.
            if self._pool.owns_connection(connection) and not connection.should_reconnect():
                return connection
            self._discard(connection)

    def _take_open(self) -> Any:
        """Return a connection that the server has not closed."""
        while (connection := self._take()).is_connected:
            if _is_open(connection):
                return connection
            self._discard(connection)
        return connection

    def _discard(self, connection: Any) -> None:
        connection.disconnect()
        self._pool.release(connection)


def _exchange(connection: Any, packed: bytes) -> Any:
    if not connection.is_connected:
        connection.connect()  # only here does a Sentinel's connection look up the primary
    connection.send_packed_command([packed])
    return connection.read_response()


def _is_open(connection: Any) -> bool:
    """Return False if the server has closed the connection. Data that can be read would belong to no command."""
    try:
        return not connection.can_read(timeout=0)
    except (redis.ConnectionError, redis.TimeoutError, OSError):
        return False


def execute_once(client: redis.Redis, *command: str | bytes | int) -> Any:
    """Return the raw reply to a command that a client's connection sends once, whatever the `retry` of its pool.

    The pool reconnects a connection that the server has closed before it is used. Raises what redis-py raises.
    """
    pool = client.connection_pool
    connection: Any = pool.get_connection()
    try:
        connection.send_command(*command)
        return connection.read_response()
    except redis.ResponseError:
        raise  # it was read whole: the connection can be used again
    except BaseException:
        connection.disconnect()
        raise
    finally:
        pool.release(connection)


_instances: "weakref.WeakSet[CommandConnections]" = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for instance in _instances:
        instance.reset()


os.register_at_fork(after_in_child=_after_fork_in_child)
