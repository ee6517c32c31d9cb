"""Races between real processes on a real Valkey. Nothing depends on timing: processes report where they are.

CACHE_RACES=long runs more than the suite can afford: 20 missing keys, 1,000 callers, 100,000 random operations.
"""

import multiprocessing
import os
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from cachecore import tags
from cachecore.keys import registry
from cachecore.redis_client import connections
from cachecore.service import Cache, cache
from cachecore.storage import leases
from cachecore.storage.clearing import clear_family
from tests.cachecore.test_envelope import family

LONG = os.environ.get("CACHE_RACES") == "long"
PROCESSES = 4
SILENT_SECONDS = 600 if LONG else 100
LEASE_SECONDS = 0.6

RACED = family("raced", lease_seconds=10)
SHORT = family("raced-short", lease_seconds=LEASE_SECONDS)
LOCAL = family("raced-local", local=True)
TRUTH = "truth"


class Worker:
    """A process that runs functions of this module. Each gets the pipe to the test as its first argument."""

    def __init__(self):
        # Four processes on busy cores need longer time limits. The tests are about the order of events only.
        os.environ["REDIS_TIMEOUT_SECONDS"] = "5"
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=serve, args=(theirs,), daemon=True)
        self.process.start()
        del os.environ["REDIS_TIMEOUT_SECONDS"]
        theirs.close()

    def start(self, function, *args):
        self.pipe.send((function.__name__, args))

    def receive(self):
        assert self.pipe.poll(SILENT_SECONDS), "a worker is silent"
        kind, message = self.pipe.recv()
        assert kind != "failed", message
        return message

    def send(self, message="continue"):
        self.pipe.send(message)

    def call(self, function, *args):
        self.start(function, *args)
        return self.receive()

    def request_exit(self):
        with suppress(OSError):
            self.pipe.send((None, ()))

    def stop(self):
        self.request_exit()
        self.process.join(5)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        self.pipe.close()
        self.process.close()


class Pipe:
    def __init__(self, pipe):
        self.pipe = pipe

    def report(self, message):
        self.pipe.send(("reported", message))

    def wait(self):
        return self.pipe.recv()


def serve(pipe):
    while True:
        try:
            name, args = pipe.recv()
        except EOFError:
            return
        if name is None:
            return
        try:
            pipe.send(("done", globals()[name](Pipe(pipe), *args)))
        except BaseException as error:  # noqa: BLE001  reported to the test
            pipe.send(("failed", repr(error)))


@pytest.fixture(scope="module")
def workers():
    started = [Worker() for _ in range(PROCESSES)]
    yield started
    for worker in started:
        worker.request_exit()
    for worker in started:
        worker.stop()


def state():
    return connections.guarded_client("state")


def truth_now():
    with state() as client:
        return int(client.get(TRUTH) or 0)


# A value read before a change and stored after it


def compute_slowly(pipe, number, names):
    """Miss, read the truth, and wait there for a message."""

    def factory():
        truth = truth_now()
        pipe.report("read")
        pipe.wait()
        return truth

    return cache.remember(RACED.key(id=number), None, factory, tags=names)


def change(pipe, number, names):
    with state() as client:
        client.incr(TRUTH)
    if names:
        cache.invalidate_tags(names)
    else:
        cache.delete(RACED.key(id=number))


def read(pipe, number, names):
    return cache.remember(RACED.key(id=number), None, truth_now, tags=names)


@pytest.mark.parametrize("names", [(), ("changing", "other")], ids=["key", "tag"])
def test_a_value_read_before_a_change_is_never_served_after_it(workers, names):
    computing, changing, *reading = workers
    stale = 0
    for number in range(200):
        computing.start(compute_slowly, number, names)
        assert computing.receive() == "read"
        changing.call(change, number, names)
        computing.send()
        computing.receive()
        for reader in reading:
            reader.start(read, number, names)
        stale += sum(reader.receive() != number + 1 for reader in reading)
    assert stale == 0


def clear(pipe, how):
    with state() as client:
        client.incr(TRUTH)
    if how == "service":
        cache.clear(RACED)
    else:
        clear_family(RACED)


@pytest.mark.parametrize("how", ["service", "operators"])
def test_a_value_read_before_a_clear_is_never_served_after_it(workers, how):
    computing, clearing, *reading = workers
    stale = 0
    for number in range(20):
        computing.start(compute_slowly, number, ())
        assert computing.receive() == "read"
        clearing.call(clear, how)
        computing.send()
        computing.receive()
        for reader in reading:
            reader.start(read, number, ())
        stale += sum(reader.receive() != number + 1 for reader in reading)
    assert stale == 0


def test_the_same_interleaving_leaves_a_stale_value_in_djangos_cache():
    """Without this the two tests before would prove nothing."""
    from django.core.cache import cache as django_cache

    with state() as client:
        client.set(TRUTH, 1)
    read_before = truth_now()
    with state() as client:
        client.incr(TRUTH)
    django_cache.delete("raced:0")
    django_cache.set("raced:0", read_before)
    assert django_cache.get("raced:0") == truth_now() - 1


# One computation


def read_with_many(pipe, number, threads):
    """Read with `threads` concurrent callers. Each factory call is counted and waits for a message."""
    barrier = threading.Barrier(threads + 1)

    def factory():
        with state() as client:
            client.incr("calls")
            pipe.report("computing")
        pipe.wait()
        return "value"

    def call():
        barrier.wait(30)
        return cache.remember(RACED.key(id=number), None, factory, tags=("a",))

    with ThreadPoolExecutor(threads) as pool:
        calls = [pool.submit(call) for _ in range(threads)]
        barrier.wait(30)
        pipe.report("started")
        return {call.result() for call in calls}


def read_missing_key(workers, number, threads):
    """Return the values that all callers got, and how often the factory was called."""
    for worker in workers:
        worker.start(read_with_many, number, threads)
    values, started = set(), 0
    computing = None
    while started < len(workers) or computing is None:
        for worker in workers:
            while worker.pipe.poll(0.001):
                message = worker.receive()
                started += message == "started"
                computing = worker if message == "computing" else computing
    computing.send()
    for worker in workers:
        values |= worker.receive()
    with state() as client:
        return values, int(client.getdel("calls"))


@pytest.mark.parametrize("number", range(20 if LONG else 4))
def test_a_missing_key_is_computed_once_for_a_hundred_callers_in_four_processes(workers, number):
    assert read_missing_key(workers, number, 25) == ({"value"}, 1)


@pytest.mark.skipif(not LONG, reason="CACHE_RACES=long runs it")
def test_a_missing_key_is_computed_once_for_a_thousand_callers(workers):
    assert read_missing_key(workers, 0, 250) == ({"value"}, 1)


def hold_forever(pipe):
    def factory():
        with state() as client:
            client.incr("calls")
        pipe.report("computing")
        return pipe.wait()

    cache.remember(SHORT.key(id=1), None, factory)


def take_over(pipe):
    def factory():
        with state() as client:
            client.incr("calls")
        return "value"

    began = time.monotonic()
    value = cache.remember(SHORT.key(id=1), None, factory)
    return value, time.monotonic() - began


def test_a_killed_holder_delays_the_others_until_its_lease_expires(workers):
    holder = Worker()
    try:
        holder.start(hold_forever)
        assert holder.receive() == "computing"
        for worker in workers:
            worker.start(take_over)
        with connections.guarded_client("cache") as client:
            while client.info("clients")["blocked_clients"] == 0:  # until one of them waits
                pass
        holder.process.kill()
        results = [worker.receive() for worker in workers]
    finally:
        holder.stop()
    with state() as client:
        assert int(client.get("calls")) == 2
    assert {value for value, _ in results} == {"value"}
    assert max(seconds for _, seconds in results) < LEASE_SECONDS + 4.0  # plus the scheduling of a busy machine


# Write-through


def write_through(pipe, writer, rounds, tags):
    def save(value):
        with state() as client:
            client.set(TRUTH, value)
        cache.invalidate_tags(tags)  # as the signals of a model's save do

    for number in range(rounds):
        value = writer * 1_000_000 + number
        if tags and writer % 2:
            save(value)  # half of the writers only invalidate the tag
        else:
            cache.write_through(RACED.key(id="written"), value, lambda value=value: save(value), tags=tags)
        cache.remember(RACED.key(id="written"), None, truth_now, tags=tags)


@pytest.mark.parametrize("tags", [(), ("written",)], ids=["by key", "by tag"])
def test_concurrent_write_throughs_leave_the_truth_or_nothing(workers, tags):
    for _ in range(10):
        for writer, worker in enumerate(workers):
            worker.start(write_through, writer, 10, tags)
        for worker in workers:
            worker.receive()
        assert cache.get(RACED.key(id="written"), truth_now()) == truth_now()


# A random run with a checker


OBJECTS = 5


def operate(pipe, seed, operations):
    """Perform random reads, writes and losses. Return the reads that missed a write published before they began."""
    rng = random.Random(seed)
    wrong = []
    for _ in range(operations):
        number = rng.randrange(OBJECTS)
        rng.choices([check_read, write_and_publish, lose], [80, 18, 2])[0](rng, number, wrong)
    return wrong


def check_read(rng, number, wrong):
    kind = rng.choice([RACED, SHORT])
    with state() as client:
        published = client.zscore("published", number) or 0
    value = cache.remember(kind.key(id=number), None, lambda: row(number), tags=(f"object:{number}", "all"))
    if value < published:
        wrong.append((number, value, published))


def write_and_publish(rng, number, wrong):
    """Write to the database, invalidate the cache, then publish the write: later reads must return it."""
    with state() as client:
        written = client.incr(f"row:{number}")
    how = rng.randrange(3)
    if how == 0:
        cache.delete_many([RACED.key(id=number), SHORT.key(id=number)])
    else:
        cache.invalidate_tag(f"object:{number}" if how == 1 else "all")
    with state() as client:
        client.zadd("published", {number: written}, gt=True)


def lose(rng, number, wrong):
    """Delete a random key of a value, as eviction does."""
    key = RACED.key(id=number)
    lost = [key, leases.LEASE.key(key=key), tags.TAG_VERSION.key(name=f"object:{number}"), leases.LATCH.key(key=key)]
    with connections.guarded_client("cache") as client:
        client.delete(rng.choice(lost))


def row(number):
    with state() as client:
        return int(client.get(f"row:{number}") or 0)


def test_random_operations_never_return_a_value_older_than_a_published_write(workers):
    operations = 100_000 if LONG else 5_000
    seed = random.randrange(10**6)
    for number, worker in enumerate(workers):
        worker.start(operate, seed + number, operations // PROCESSES)
    wrong = [found for worker in workers for found in worker.receive()]
    assert wrong == [], f"seed {seed}"


# The local cache, without any subscription


def write_counting(pipe, seconds):
    """Raise the number and invalidate. Return [(number, when it was invalidated)]."""
    published, ends = [], time.monotonic() + seconds
    while time.monotonic() < ends:
        with state() as client:
            number = client.incr(TRUTH)
        if number % 2:
            cache.invalidate_tag("counted")
        else:
            cache.delete(LOCAL.key(id=1))
        published.append((number, time.monotonic()))
    return published


def read_counting(pipe, bound, seconds):
    """Read from a local cache of this maximum age. Return [(when the read began, the number it returned)]."""
    local, reads, ends = Cache(local_seconds=bound), [], time.monotonic() + seconds
    while (began := time.monotonic()) < ends:
        reads.append((began, local.remember(LOCAL.key(id=1), None, truth_now, tags=("counted",))))
    return reads


def test_no_local_read_is_older_than_the_maximum_age(workers):
    bound, seconds = (1.0, 10.0) if LONG else (0.2, 1.0)
    writing, *reading = workers
    writing.start(write_counting, seconds)
    for worker in reading:
        worker.start(read_counting, bound, seconds)
    published = writing.receive()
    reads = [one for worker in reading for one in worker.receive()]
    oldest = max(staleness(began, number, published) for began, number in reads)
    assert len(reads) > 5_000
    assert 0.0 < oldest < bound + 0.001  # served locally, and never beyond the bound


def staleness(began, number, published):
    """Return for how long a newer number had been published when the read began."""
    first = published[0][0]
    newer = number + 1 - first
    return max(0.0, began - published[newer][1]) if 0 <= newer < len(published) else 0.0


def test_the_families_of_these_tests_are_registered():
    assert {"raced", "raced-short", "raced-local"} <= registry.keys()
