"""Child processes that cannot outlive their parent."""

import ctypes
import signal
import sys
from collections.abc import Callable

PR_SET_PDEATHSIG = 1


def dies_with_parent() -> Callable[[], None] | None:
    """Return a `preexec_fn` that has the kernel send the child SIGTERM when its parent dies, even by SIGKILL.

    Linux only, else None. Not for a parent with several threads: code before exec could deadlock there.
    """
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None, use_errno=True)

    def request_signal() -> None:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)

    return request_signal
