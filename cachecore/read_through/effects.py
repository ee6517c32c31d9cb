"""The cache's logic is generators that yield what they want done; who drives them does the I/O.

One driver blocks (cachecore/service.py), one awaits (cachecore/async_cache.py). Sans-I/O as in h11.
"""

from collections.abc import Awaitable, Callable, Generator, Sequence
from concurrent.futures import Future
from typing import Any, TypeVar

import msgspec

from cachecore.storage.leases import Call

T = TypeVar("T")


class Mget(msgspec.Struct, frozen=True):
    """-> list[bytes | None]"""

    keys: Sequence[str]


class Run(msgspec.Struct, frozen=True):
    """-> the script's reply"""

    call: Call


class Revalidate(msgspec.Struct, frozen=True):
    """-> list[bytes]: the headers, then list[bytes | None]: the versions; one round trip."""

    keys: Sequence[str]
    header_bytes: int
    version_keys: Sequence[str]


class Wait(msgspec.Struct, frozen=True):
    """Block on a latch. -> whether it opened; False when the time is over."""

    latch: str
    seconds: float


class Join(msgspec.Struct, frozen=True):
    """Wait for a future that never fails. -> its result, or None when the time is over."""

    future: "Future[Any]"
    seconds: float


class Compute(msgspec.Struct, frozen=True):
    """Call the factory of a key. -> its value"""

    key: str
    factory: Callable[[], Any]


class Spawn(msgspec.Struct, frozen=True):
    """Drive other steps beside these. -> whether that is done; False where too many of the family are under way"""

    family: str
    steps: Generator[Any, Any, Any]


Effect = Mget | Run | Revalidate | Wait | Join | Compute | Spawn
EffectGenerator = Generator[Effect, Any, T]


def drive(steps: EffectGenerator[T], perform: Callable[[Any], Any]) -> T:
    """Errors of `perform` are raised inside the steps."""
    try:
        step = next(steps)
        while True:
            try:
                result = perform(step)
            except BaseException as error:  # noqa: BLE001  the steps decide, and end what they began
                step = steps.throw(error)
            else:
                step = steps.send(result)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]


async def drive_async(steps: EffectGenerator[T], perform: Callable[[Any], Awaitable[Any]]) -> T:
    try:
        step = next(steps)
        while True:
            try:
                result = await perform(step)
            except GeneratorExit:  # destroyed with its loop: nothing can be awaited any more
                steps.close()
                raise
            except BaseException as error:  # noqa: BLE001  a cancellation too
                step = steps.throw(error)
            else:
                step = steps.send(result)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]
