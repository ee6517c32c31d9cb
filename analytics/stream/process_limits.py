"""Process settings for many long connections: file descriptors, stop signals, and a timeout for stalled sockets."""

import asyncio
import os
import resource
import signal
import socket
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from typing import Any

# File descriptors for other requests, Redis, the database, and the server itself.
OTHER_FILES = 1_500


def raise_file_limit(streams: int) -> int:
    """Raise the limit of file descriptors for this number of streams. Return the number of streams that it allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = streams + OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        with suppress(ValueError, OSError):  # macOS has a limit below the one that it reports
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return streams if soft == resource.RLIM_INFINITY else max(1, min(streams, soft - OTHER_FILES))


def on_stop_signal(callback: Callable[[], None]) -> Callable[[], None]:
    """Call `callback` in the running loop on SIGTERM and SIGINT, in addition to the server's own handler.

    Return a function that undoes this. The callback has to end the streams, because a server shuts its applications
    down only after the last response has ended, and a stream does not end by itself.
    """
    undo = ExitStack()
    if threading.current_thread() is threading.main_thread():
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            _chain(number, lambda: loop.call_soon_threadsafe(callback), undo)
    return undo.close


def _chain(number: signal.Signals, callback: Callable[[], Any], undo: ExitStack) -> None:
    before = signal.getsignal(number)
    if not callable(before):  # no server has set a handler: the signal ends the process, as it should
        return

    def both(received: int, frame: Any) -> None:
        with suppress(RuntimeError):  # the loop is closed
            callback()
        before(received, frame)

    def restore() -> None:
        if signal.getsignal(number) is both:
            signal.signal(number, before)

    signal.signal(number, both)
    undo.callback(restore)


def set_tcp_user_timeout(seconds: float) -> None:
    """Set TCP_USER_TIMEOUT, so that the kernel closes connections whose peer does not read. Linux only.

    An application cannot close them, because its last bytes wait in the buffers of the server and the kernel, and the
    socket with them. The option is set for the connections accepted already and for the listening sockets, from which
    later connections inherit it. Call this after the server has begun to listen, which is after its lifespan started.
    See tcp(7).
    """
    if not hasattr(socket, "TCP_USER_TIMEOUT"):
        return
    with ExitStack() as opened:
        sockets = [opened.enter_context(found) for found in _tcp_sockets()]
        served = {
            found.getsockname()[1] for found in sockets if found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        }
        for found in sockets:
            if found.getsockname()[1] in served:
                found.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(seconds * 1000))


def _tcp_sockets() -> Iterator[socket.socket]:
    """Yield duplicates of this process's TCP sockets. The caller must close them."""
    for name in os.listdir("/proc/self/fd"):
        with suppress(OSError):  # closed meanwhile
            if stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                found = socket.socket(fileno=os.dup(int(name)))
                if found.family in (socket.AF_INET, socket.AF_INET6) and found.type == socket.SOCK_STREAM:
                    yield found
                else:
                    found.close()
