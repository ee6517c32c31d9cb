"""What many long connections need of the process: file descriptors, word of the end, an end for dead sockets."""

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

# Of other requests, Redis, the database, and what the server itself keeps open.
OTHER_FILES = 1_500


def raise_file_limit(streams: int) -> int:
    """Ask for as many descriptors as so many streams need; returns how many streams there are descriptors for."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = streams + OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        with suppress(ValueError, OSError):  # macOS has a limit below the one it tells
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return streams if soft == resource.RLIM_INFINITY else max(1, min(streams, soft - OTHER_FILES))


def on_stop_signal(callback: Callable[[], None]) -> Callable[[], None]:
    """Have the running loop call it when SIGTERM or SIGINT comes, beside what the server does then; how to undo that.

    A server tells its applications of the end when the last answer has ended, which a stream does not by itself.
    """
    undo = ExitStack()
    if threading.current_thread() is threading.main_thread():
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            _chain(number, lambda: loop.call_soon_threadsafe(callback), undo)
    return undo.close


def _chain(number: signal.Signals, callback: Callable[[], Any], undo: ExitStack) -> None:
    before = signal.getsignal(number)
    if not callable(before):  # nobody serves: the signal ends the process, as it should
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
    """Have the kernel close connections of this process's servers whose peer takes nothing for so long. Linux only.

    No application can: what it wrote last waits in the server's and the kernel's buffers, and the socket with it.
    For those accepted already, and for those to come: they inherit it. tcp(7), TCP_USER_TIMEOUT. Call it when the
    server listens, which is after its lifespan began.
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
    """Duplicates of this process's, to be closed."""
    for name in os.listdir("/proc/self/fd"):
        with suppress(OSError):  # closed meanwhile
            if stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                found = socket.socket(fileno=os.dup(int(name)))
                if found.family in (socket.AF_INET, socket.AF_INET6) and found.type == socket.SOCK_STREAM:
                    yield found
                else:
                    found.close()
