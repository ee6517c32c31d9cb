"""Races between real processes on a real Valkey. Nothing here is timed: processes tell each other where they are.

CACHE_RACES=long runs what the suite cannot afford: 20 cold keys, 1,000 callers, 100,000 random operations.
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
MARKER_SECONDS = 0.6

RACED = family("raced", lease_seconds=10)
SHORT = family("raced-short", lease_seconds=MARKER_SECONDS)
NEAR = family("raced-near", local=True)
TRUTH = "truth"


class Worker:
    """A process that runs functions of this module; each gets the pipe to speak to the test."""

    def __init__(self):
        # Four processes on busy cores: what is raced for is the order of things, not the time limit.
        os.environ["REDIS_TIMEOUT_SECONDS"] = "5"
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=serve, args=(theirs,), daemon=True)
        self.process.start()
        del os.environ["REDIS_TIMEOUT_SECONDS"]
        theirs.close()

    def begin(self, function, *args):
        self.pipe.send((function.__name__, args))

    def heard(self):
        assert self.pipe.poll(SILENT_SECONDS), "a worker is silent"
        kind, word = self.pipe.recv()
        assert kind != "failed", word
        return word

    def tell(self, word="go"):
        self.pipe.send(word)

    def ask(self, function, *args):
        self.begin(function, *args)
        return self.heard()

    def leave(self):
        with suppress(OSError):
            self.pipe.send((None, ()))

    def stop(self):
        self.leave()
        self.process.join(5)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        self.pipe.close()
        self.process.close()


class Pipe:
    def __init__(self, pipe):
        self.pipe = pipe

    def say(self, word):
        self.pipe.send(("said", word))

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
        except BaseException as error:  # noqa: BLE001  the test shall see it
            pipe.send(("failed", repr(error)))


@pytest.fixture(scope="module")
def workers():
    started = [Worker() for _ in range(PROCESSES)]
    yield started
    for worker in started:
        worker.leave()
    for worker in started:
        worker.stop()


def state():
    return connections.guarded_client("state")


def truth_now():
    with state() as client:
        return int(client.get(TRUTH) or 0)


# A value read before a change and stored after it


def fill_slowly(pipe, number, names):
    """Miss, read the truth, and stop there until told."""

    def factory():
        read = truth_now()
        pipe.say("read")
        pipe.wait()
        return read

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
def test_what_was_read_before_a_change_is_never_served_after_it(workers, names):
    filling, changing, *reading = workers
    stale = 0
    for number in range(200):
        filling.begin(fill_slowly, number, names)
        assert filling.heard() == "read"
        changing.ask(change, number, names)
        filling.tell()
        filling.heard()
        for reader in reading:
            reader.begin(read, number, names)
        stale += sum(reader.heard() != number + 1 for reader in reading)
    assert stale == 0


def clear(pipe, how):
    with state() as client:
        client.incr(TRUTH)
    if how == "service":
        cache.clear(RACED)
    else:
        clear_family(RACED)


@pytest.mark.parametrize("how", ["service", "operators"])
def test_what_was_read_before_a_clear_is_never_served_after_it(workers, how):
    filling, clearing, *reading = workers
    stale = 0
    for number in range(20):
        filling.begin(fill_slowly, number, ())
        assert filling.heard() == "read"
        clearing.ask(clear, how)
        filling.tell()
        filling.heard()
        for reader in reading:
            reader.begin(read, number, ())
        stale += sum(reader.heard() != number + 1 for reader in reading)
    assert stale == 0


def test_the_same_interleaving_leaves_a_stale_value_in_djangos_cache():
    """Else the test above would show nothing."""
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


def fill_with_many(pipe, number, threads):
    """So many callers at once; each factory call is counted, and waits for the gate."""
    barrier = threading.Barrier(threads + 1)

    def factory():
        with state() as client:
            client.incr("calls")
            pipe.say("computing")
        pipe.wait()
        return "value"

    def call():
        barrier.wait(30)
        return cache.remember(RACED.key(id=number), None, factory, tags=("a",))

    with ThreadPoolExecutor(threads) as pool:
        calls = [pool.submit(call) for _ in range(threads)]
        barrier.wait(30)
        pipe.say("begun")
        return {call.result() for call in calls}


def cold_key(workers, number, threads):
    """(what all were answered, how often the factory was called)"""
    for worker in workers:
        worker.begin(fill_with_many, number, threads)
    answers, begun = set(), 0
    computing = None
    while begun < len(workers) or computing is None:
        for worker in workers:
            while worker.pipe.poll(0.001):
                word = worker.heard()
                begun += word == "begun"
                computing = worker if word == "computing" else computing
    computing.tell()
    for worker in workers:
        answer = worker.heard()
        answers |= answer
    with state() as client:
        return answers, int(client.getdel("calls"))


@pytest.mark.parametrize("number", range(20 if LONG else 4))
def test_a_cold_key_is_computed_once_for_a_hundred_callers_in_four_processes(workers, number):
    assert cold_key(workers, number, 25) == ({"value"}, 1)


@pytest.mark.skipif(not LONG, reason="CACHE_RACES=long runs it")
def test_a_cold_key_is_computed_once_for_a_thousand_callers(workers):
    assert cold_key(workers, 0, 250) == ({"value"}, 1)


def hold_for_ever(pipe):
    def factory():
        with state() as client:
            client.incr("calls")
        pipe.say("computing")
        return pipe.wait()

    cache.remember(SHORT.key(id=1), None, factory)


def take_over(pipe):
    def factory():
        with state() as client:
            client.incr("calls")
        return "value"

    began = time.monotonic()
    answer = cache.remember(SHORT.key(id=1), None, factory)
    return answer, time.monotonic() - began


def test_a_killed_holder_delays_the_others_by_its_marker_and_one_takes_over(workers):
    holder = Worker()
    try:
        holder.begin(hold_for_ever)
        assert holder.heard() == "computing"
        for worker in workers:
            worker.begin(take_over)
        with connections.guarded_client("cache") as client:
            while client.info("clients")["blocked_clients"] == 0:  # somebody waits
                pass
        holder.process.kill()
        answers = [worker.heard() for worker in workers]
    finally:
        holder.stop()
    with state() as client:
        assert int(client.get("calls")) == 2
    assert {answer for answer, _ in answers} == {"value"}
    assert max(seconds for _, seconds in answers) < MARKER_SECONDS + 4.0  # and a busy machine's scheduling


# Writers through


def write_through(pipe, writer, rounds, tags):
    def save(value):
        with state() as client:
            client.set(TRUTH, value)
        cache.invalidate_tags(tags)  # as the signals of a model's save do

    for number in range(rounds):
        value = writer * 1_000_000 + number
        if tags and writer % 2:
            save(value)  # half of the writers know the tag alone
        else:
            cache.write_through(RACED.key(id="written"), value, lambda value=value: save(value), tags=tags)
        cache.remember(RACED.key(id="written"), None, truth_now, tags=tags)


@pytest.mark.parametrize("tags", [(), ("written",)], ids=["by key", "by tag"])
def test_writers_through_leave_the_truth_or_nothing(workers, tags):
    for _ in range(10):
        for writer, worker in enumerate(workers):
            worker.begin(write_through, writer, 10, tags)
        for worker in workers:
            worker.heard()
        assert cache.get(RACED.key(id="written"), truth_now()) == truth_now()


# A random run with a checker


OBJECTS = 5


def operate(pipe, seed, operations):
    """Random reads, writes and losses. A read must answer what was written and told before it began, or later."""
    rng = random.Random(seed)
    wrong = []
    for _ in range(operations):
        number = rng.randrange(OBJECTS)
        rng.choices([check_read, write_and_tell, lose], [80, 18, 2])[0](rng, number, wrong)
    return wrong


def check_read(rng, number, wrong):
    kind = rng.choice([RACED, SHORT])
    with state() as client:
        told = client.zscore("told", number) or 0
    value = cache.remember(kind.key(id=number), None, lambda: row(number), tags=(f"object:{number}", "all"))
    if value < told:
        wrong.append((number, value, told))


def write_and_tell(rng, number, wrong):
    """The database first, then the cache, then the word that readers are held to."""
    with state() as client:
        written = client.incr(f"row:{number}")
    how = rng.randrange(3)
    if how == 0:
        cache.delete_many([RACED.key(id=number), SHORT.key(id=number)])
    else:
        cache.invalidate_tag(f"object:{number}" if how == 1 else "all")
    with state() as client:
        client.zadd("told", {number: written}, gt=True)


def lose(rng, number, wrong):
    """What eviction does."""
    key = RACED.key(id=number)
    lost = [key, leases.LEASE.key(key=key), tags.TAG_VERSION.key(name=f"object:{number}"), leases.LATCH.key(key=key)]
    with connections.guarded_client("cache") as client:
        client.delete(rng.choice(lost))


def row(number):
    with state() as client:
        return int(client.get(f"row:{number}") or 0)


def test_a_random_run_never_reads_back_in_time(workers):
    operations = 100_000 if LONG else 5_000
    seed = random.randrange(10**6)
    for number, worker in enumerate(workers):
        worker.begin(operate, seed + number, operations // PROCESSES)
    wrong = [found for worker in workers for found in worker.heard()]
    assert wrong == [], f"seed {seed}"


# The process's memory, with nobody subscribed to anything


def write_counting(pipe, seconds):
    """Raise the number and invalidate; [(number, when everybody has been told)]"""
    told, ends = [], time.monotonic() + seconds
    while time.monotonic() < ends:
        with state() as client:
            number = client.incr(TRUTH)
        if number % 2:
            cache.invalidate_tag("counted")
        else:
            cache.delete(NEAR.key(id=1))
        told.append((number, time.monotonic()))
    return told


def read_counting(pipe, bound, seconds):
    """[(when the read began, the number it was answered)], from memory that is trusted for `bound` seconds."""
    near, answers, ends = Cache(local_seconds=bound), [], time.monotonic() + seconds
    while (began := time.monotonic()) < ends:
        answers.append((began, near.remember(NEAR.key(id=1), None, truth_now, tags=("counted",))))
    return answers


def test_no_read_from_memory_is_older_than_its_bound(workers):
    bound, seconds = (1.0, 10.0) if LONG else (0.2, 1.0)
    writing, *reading = workers
    writing.begin(write_counting, seconds)
    for worker in reading:
        worker.begin(read_counting, bound, seconds)
    told = writing.heard()
    answers = [answer for worker in reading for answer in worker.heard()]
    oldest = max(staleness(began, number, told) for began, number in answers)
    assert len(answers) > 5_000
    assert 0.0 < oldest < bound + 0.001  # it is served from memory, and never beyond the bound


def staleness(began, number, told):
    """For how long a newer number had been told when the read began."""
    first = told[0][0]
    newer = number + 1 - first
    return max(0.0, began - told[newer][1]) if 0 <= newer < len(told) else 0.0


def test_the_families_of_these_tests_are_registered():
    assert {"raced", "raced-short", "raced-near"} <= registry.keys()
