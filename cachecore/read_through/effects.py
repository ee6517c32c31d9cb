"""The effects that the cache's logic yields, and the drivers' loop that performs them.

The logic consists of generators without I/O (sans-I/O, as in h11). It yields an effect, and a driver performs it: one
blocks (cachecore/read_through/sync_driver.py), one awaits (cachecore/async_cache.py).
"""

from collections.abc import Awaitable, Callable, Generator, Sequence
from concurrent.futures import Future
from typing import Any, TypeVar

import msgspec

from cachecore.storage.leases import ScriptCall

T = TypeVar("T")


class Mget(msgspec.Struct, frozen=True):
    """Read keys. Result: list[bytes | None]."""

    keys: Sequence[str]


class RunScript(msgspec.Struct, frozen=True):
    """Run a lease script. Result: its reply."""

    call: ScriptCall


class Revalidate(msgspec.Struct, frozen=True):
    """Read headers and tag versions in one round trip. Result: list[bytes] and list[bytes | None]."""

    keys: Sequence[str]
    header_bytes: int
    version_keys: Sequence[str]


class WaitForLatch(msgspec.Struct, frozen=True):
    """Block until a latch opens. Result: True if it opened, False if the time is over."""

    latch: str
    seconds: float


class Join(msgspec.Struct, frozen=True):
    """Wait for a future that never fails. Result: that of the future, or None if the time is over."""

    future: "Future[Any]"
    seconds: float


class Compute(msgspec.Struct, frozen=True):
    """Call the factory of a key. Result: its value."""

    key: str
    factory: Callable[[], Any]


class Spawn(msgspec.Struct, frozen=True):
    """Drive another generator concurrently. Result: False if too many of the family are running or queued."""

    family: str
    effects: Generator[Any, Any, Any]


Effect = Mget | RunScript | Revalidate | WaitForLatch | Join | Compute | Spawn
EffectGenerator = Generator[Effect, Any, T]


def drive(effects: EffectGenerator[T], perform: Callable[[Any], Any]) -> T:
    """Perform the effects of a generator and return its result. Errors of `perform` are raised inside the generator."""
    try:
        effect = next(effects)
        while True:
            try:
                result = perform(effect)
            except BaseException as error:  # noqa: BLE001  the generator handles it and releases what it holds
                effect = effects.throw(error)
            else:
                effect = effects.send(result)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]


async def drive_async(effects: EffectGenerator[T], perform: Callable[[Any], Awaitable[Any]]) -> T:
    """Await the effects of a generator and return its result. A cancellation is raised inside the generator, too."""
    try:
        effect = next(effects)
        while True:
            try:
                result = await perform(effect)
            except GeneratorExit:  # the coroutine is destroyed with its loop: it cannot await any more
                effects.close()
                raise
            except BaseException as error:  # noqa: BLE001  a cancellation too
                effect = effects.throw(error)
            else:
                effect = effects.send(result)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]
