"""Compare the cache service with Django's cache, django-redis, dogpile.cache and cashews on one private Valkey.

python -m benchmarks.cache [--rounds 5] [--seconds 0.5] [--only hits misses stampede invalidation hang memory]

Every library stores the same value (a dictionary of 20 fields) and has the same time limits. They alternate within a
round, so that other activity on the machine affects all alike. Figures are medians (minimum..maximum).
"""

import argparse
import asyncio
import logging
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import redis

from benchmarks._harness import Spread, table
from benchmarks._servers import valkey

VALUE = {f"field_{number}": number * 1.5 for number in range(20)}
LIMIT_SECONDS = 0.25
CALLERS = 25
TAGGED_VALUES = (1_000, 10_000, 100_000)
TAGS = ("tag:one", "tag:two")
Factory = Callable[[], Any]


class Library(Protocol):
    """A cache library. `remember` returns the cached value, or computes and stores it in the library's own way."""

    name: str

    def remember(self, key: str, factory: Factory) -> Any: ...


class CacheCore:
    """The cache service with two tags, and with the local cache if `local`."""

    def __init__(self, name: str, *, local: bool) -> None:
        from cachecore.keys import CacheOptions, Family
        from cachecore.service import cache

        self.name = name
        self.cache = cache
        self.family = Family(
            name=f"benchmark-{name}",
            pattern=f"benchmark-{'local' if local else 'redis'}:{{id}}",
            role="cache",
            type="string",
            ttl_seconds=600,
            holds="a dictionary",
            written_by="benchmarks.cache",
            purged_by="its tags",
            options=CacheOptions(local=local),
        )

    def remember(self, key: str, factory: Factory) -> Any:
        return self.cache.remember(self.family.key(id=key), None, factory, tags=TAGS)


class Django:
    """`get_or_set` of Django or django-redis, neither of which has tags."""

    def __init__(self, name: str, alias: str) -> None:
        from django.core.cache import caches

        self.name = name
        self.cache = caches[alias]

    def remember(self, key: str, factory: Factory) -> Any:
        return self.cache.get_or_set(f"{self.name}:{key}", factory, 600)


class Dogpile:
    """`get_or_create` with the distributed lock, without tags."""

    name = "dogpile.cache"

    def __init__(self, url: str) -> None:
        from dogpile.cache import make_region

        arguments = {
            "url": url,
            "distributed_lock": True,
            "thread_local_lock": False,
            "lock_timeout": 10,
            "socket_timeout": LIMIT_SECONDS,
        }
        self.region = make_region().configure("dogpile.cache.redis", expiration_time=600, arguments=arguments)

    def remember(self, key: str, factory: Factory) -> Any:
        return self.region.get_or_create(f"dogpile:{key}", factory)


class Cashews:
    """`get`, or else `set` with two tags, on an event loop of its own."""

    name = "cashews"

    def __init__(self, url: str) -> None:
        from cashews import Cache
        from cashews.backends.redis import Redis
        from cashews.picklers import PicklerType
        from cashews.wrapper.backend_settings import register_backend

        register_backend("unix", Redis, pass_uri=True, pickler=PicklerType.DEFAULT)  # by default only redis://
        self.loop = asyncio.new_event_loop()
        self.cache = Cache()
        self.cache.setup(url, socket_timeout=LIMIT_SECONDS, socket_connect_timeout=LIMIT_SECONDS)
        for tag in TAGS:
            self.cache.register_tag(tag, "{key}")

    def remember(self, key: str, factory: Factory) -> Any:
        return self.loop.run_until_complete(self._remember(f"cashews:{key}", factory))

    async def _remember(self, key: str, factory: Factory) -> Any:
        if (found := await self.cache.get(key)) is not None:
            return found
        value = factory()
        await self.cache.set(key, value, expire=600, tags=TAGS)
        return value


def main() -> None:
    args = _parse_args()
    with tempfile.TemporaryDirectory(prefix="cache-") as directory, valkey(Path(directory)) as url:
        _configure(directory, url)
        server = redis.Redis.from_url(url)
        libraries = _libraries(url)
        benchmarks: dict[str, Callable[[], str]] = {
            "hits": lambda: _rates(libraries, args, lambda library: _hit(library)),
            "misses": lambda: _rates(libraries[1:], args, lambda library: _miss(library)),
            "stampede": lambda: _stampede([one for one in libraries if one.name != "cashews"]),
            "invalidation": lambda: _invalidation(libraries, server),
            "hang": lambda: _hang(libraries, server),
            "memory": lambda: _memory(libraries, server),
        }
        for name in args.only or benchmarks:
            print(f"\n{name}\n\n{benchmarks[name]()}", flush=True)
        server.close()


def _parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cache", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.5, help="length of a window")
    parser.add_argument(
        "--only", nargs="+", choices=["hits", "misses", "stampede", "invalidation", "hang", "memory"], default=[]
    )
    return parser.parse_args()


def _configure(directory: str, url: str) -> None:
    """Configure the project's settings for our server, with Django's own cache as another alias."""
    for name in ("CACHE_URL", "STATE_URL", "BROKER_URL"):
        os.environ.pop(name, None)
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "config.settings.local",
        "DATABASE_URL": f"sqlite:///{directory}/unused.sqlite3",
        "REDIS_URL": url,
        "DATA_DIR": directory,
        "LOG_LEVEL": "ERROR",
    }
    import django
    from django.conf import settings

    logging.disable(logging.CRITICAL)  # the libraries log a server that hangs

    settings.CACHES["django"] = {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": url,
        "OPTIONS": {"socket_timeout": LIMIT_SECONDS, "socket_connect_timeout": LIMIT_SECONDS},
    }
    django.setup()


def _libraries(url: str) -> list[Any]:
    return [
        CacheCore("cachecore, local", local=True),
        CacheCore("cachecore", local=False),
        Django("Django", "django"),
        Django("django-redis", "default"),
        Dogpile(url),
        Cashews(url),
    ]


def _rates(libraries: Sequence[Library], args: argparse.Namespace, make: Callable[[Library], Callable[[], Any]]) -> str:
    """Return calls per second of one thread, and the processor time per call, which is stable on a busy machine too."""
    calls = {library.name: make(library) for library in libraries}
    measured: dict[str, list[Cost]] = {name: [] for name in calls}
    for number in range(args.rounds):
        for name in calls if number % 2 == 0 else reversed(calls):
            measured[name].append(_cost(calls[name], args.seconds))
    rows = [
        [
            name,
            f"{Spread.of([one.calls_a_second for one in costs]):,.0f}",
            f"{Spread.of([one.cpu_us for one in costs]):.1f}",
        ]
        for name, costs in measured.items()
    ]
    return table([["", "calls/s", "CPU us/call"], *rows])


class Cost(NamedTuple):
    calls_a_second: float
    cpu_us: float  # of the calling thread


def _cost(call: Callable[[], Any], seconds: float) -> Cost:
    made, started, cpu = 0, time.perf_counter(), time.thread_time()
    while (spent := time.perf_counter() - started) < seconds:
        for _ in range(20):
            call()
        made += 20
    return Cost(made / spent, (time.thread_time() - cpu) * 1_000_000 / made)


def _hit(library: Library) -> Callable[[], Any]:
    library.remember("hit", lambda: VALUE)
    return lambda: library.remember("hit", _fail)


def _fail() -> Any:
    raise AssertionError("a hit computed")


_numbers = count()


def _miss(library: Library) -> Callable[[], Any]:
    return lambda: library.remember(f"miss-{next(_numbers)}", lambda: VALUE)


def _stampede(libraries: Sequence[Library]) -> str:
    """Return the factory calls for concurrent callers of one missing key, and the time until the last has the value."""
    rows = []
    for library in libraries:
        calls: list[int] = []
        barrier = threading.Barrier(CALLERS)

        def factory(calls: list[int] = calls) -> Any:
            calls.append(1)
            time.sleep(0.05)
            return VALUE

        def call(library: Library = library, barrier: threading.Barrier = barrier, factory: Factory = factory) -> Any:
            barrier.wait()
            return library.remember("missing", factory)

        started = time.perf_counter()
        with ThreadPoolExecutor(CALLERS) as pool:
            for _ in range(CALLERS):
                pool.submit(call)
        rows.append([library.name, f"{len(calls)}", f"{(time.perf_counter() - started) * 1000:.0f}"])
    return table([[f"{CALLERS} callers, 50 ms factory", "factory calls", "ms until all return"], *rows])


def _invalidation(libraries: Sequence[Any], server: redis.Redis) -> str:
    """Return the time to invalidate one tag, by the number of values under it. The other libraries have no tags."""
    ours, cashews = libraries[1], libraries[-1]
    rows = []
    for dependants in TAGGED_VALUES:
        server.flushall()
        keys = [ours.family.key(id=number) for number in range(dependants)]
        for start in range(0, dependants, 1_000):
            ours.cache.set_many(dict.fromkeys(keys[start : start + 1_000], 1), tags=TAGS)
        own = [_milliseconds(lambda: ours.cache.invalidate_tag(TAGS[0])) for _ in range(21)]
        server.flushall()
        cashews.loop.run_until_complete(_fill(cashews.cache, dependants))
        theirs = _milliseconds(lambda: cashews.loop.run_until_complete(cashews.cache.delete_tags(TAGS[0])))
        rows.append([f"{dependants:,}", f"{Spread.of(own):.2f}", f"{theirs:.1f}"])
    return table([["values under the tag", "cachecore, ms", "cashews, ms"], *rows])


async def _fill(cache: Any, dependants: int) -> None:
    for start in range(0, dependants, 500):
        await asyncio.gather(
            *(cache.set(f"tagged-{number}", 1, tags=TAGS[:1]) for number in range(start, min(start + 500, dependants)))
        )


def _hang(libraries: Sequence[Library], server: redis.Redis) -> str:
    """Return the time of twenty reads while the server hangs, and how many of them returned the value."""
    rows = []
    for library in libraries[1:]:
        library.remember("hang", lambda: VALUE)
        with _paused(server):
            answered, times = 0, []
            for _ in range(20):
                started = time.perf_counter()
                with suppress(Exception):  # a failing read is not counted as answered
                    answered += library.remember("hang", lambda: VALUE) == VALUE
                times.append((time.perf_counter() - started) * 1000)
        rows.append([library.name, f"{sum(times):.0f}", f"{sorted(times)[10]:.1f}", f"{answered} of 20"])
    return table([["20 reads during a hang", "ms in total", "median ms", "answered"], *rows])


@contextmanager
def _paused(server: redis.Redis) -> Iterator[None]:
    """Pause the server by SIGSTOP during the block; afterwards wait until it responds again."""
    import signal

    process = int(server.info("server")["process_id"])
    os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process, signal.SIGCONT)
        server.ping()


def _memory(libraries: Sequence[Any], server: redis.Redis) -> str:
    """Return the bytes in Redis per value with 10,000 small values under one tag, and those of the tag's own keys."""
    ours, cashews = libraries[1], libraries[-1]

    def fill_ours() -> None:
        ours.cache.set_many({ours.family.key(id=number): 1 for number in range(10_000)}, tags=TAGS[:1])

    rows = []
    for name, fill in (
        ("cachecore", fill_ours),
        ("cashews", lambda: cashews.loop.run_until_complete(_fill(cashews.cache, 10_000))),
    ):
        fill()  # creates connections, scripts and buffers, which are not to be measured
        server.execute_command("FLUSHALL", "SYNC")  # type: ignore[no-untyped-call]  # frees the memory at once
        before = _used(server)
        fill()
        of_the_tag = sum(int(server.memory_usage(key, samples=0) or 0) for key in server.scan_iter("*tag:one*"))
        rows.append([name, f"{(_used(server) - before) / 10_000:.0f}", f"{of_the_tag:,}"])
    return table([["10,000 values, one tag", "bytes/value", "bytes of the tag"], *rows])


def _used(server: redis.Redis) -> int:
    return int(server.info("memory")["used_memory"])


def _milliseconds(call: Callable[[], Any]) -> float:
    started = time.perf_counter()
    call()
    return (time.perf_counter() - started) * 1000


if __name__ == "__main__":
    main()
