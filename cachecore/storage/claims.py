"""While a writer saves: the tags' versions that it has seen, which what its own save invalidates does not outdate.

A version that another has set in between is never mistaken for its own: the writer knows what its own replaced.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_saving: ContextVar[tuple[dict[str, bytes], ...]] = ContextVar("saving", default=())


@contextmanager
def track_own_bumps(versions: dict[str, bytes]) -> Iterator[None]:
    """`versions` by tag: kept up to date with what this thread or task invalidates within."""
    before = _saving.set((*_saving.get(), versions))
    try:
        yield
    finally:
        _saving.reset(before)


def is_tracking() -> bool:
    return bool(_saving.get())


def record_bump(tag: str, old: bytes | None, new: bytes) -> None:
    """This thread or task has given a tag a new version, in one step with reading its old one."""
    for versions in _saving.get():
        if old is not None and versions.get(tag) == old:
            versions[tag] = new
