"""Threads for factories: what ends a job must not end the family's place among the threads."""

import asyncio
import subprocess
import sys
import threading

import pytest

from cachecore.read_through.refresh_pool import MAX_QUEUED, RefreshPool
from cachecore.service import Cache
from tests.cachecore.test_envelope import family

LIMIT = 10
LIMITED = family("background-limited", factory_hard_timeout_seconds=0.01)


def done(pool, family="one"):
    """Whether a job of the family is done."""
    event = threading.Event()
    return pool.submit(family, event.set) and event.wait(LIMIT)


@pytest.mark.parametrize("ending", [SystemExit, KeyboardInterrupt, asyncio.CancelledError, ValueError])
def test_a_job_that_ends_with_anything_leaves_its_thread_to_the_next(ending, caplog):
    pool = RefreshPool(2)

    def ends():
        raise ending("so it ends")

    for _ in range(5):
        assert pool.submit("one", ends)
    assert done(pool)
    assert caplog.text.count("A factory in the background failed.") == 5
    assert pool._busy["one"] <= 1


def test_a_family_has_half_of_the_threads_and_the_others_theirs():
    pool, go = RefreshPool(4), threading.Event()
    for _ in range(2 + MAX_QUEUED):
        assert pool.submit("hangs", lambda: go.wait(LIMIT))
    assert not pool.submit("hangs", lambda: None)
    assert done(pool, "another")
    go.set()
    assert done(pool, "another")


def test_where_no_thread_can_begin_a_job_is_refused_and_takes_no_place(monkeypatch):
    pool = RefreshPool(2)

    def refused(thread):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refused)
        assert not pool.submit("one", lambda: None)
    assert done(pool)


def test_who_waits_comes_in_its_turn_whatever_its_family():
    pool, go, end, order = RefreshPool(2), threading.Event(), threading.Event(), []
    assert pool.submit("one", lambda: end.wait(LIMIT))
    assert pool.submit("two", lambda: go.wait(LIMIT))
    for name in ("one", "two", "three", "two"):
        assert pool.submit(name, lambda name=name: order.append(name))
    go.set()
    assert done(pool, "four")
    assert order == ["two", "three", "two"]
    end.set()


ENDING = """
import django
django.setup()
import threading
from cachecore.service import FactoryTimeout, cache
from tests.cachecore.test_refresh_pool import LIMITED

def ask(name, factory):
    try:
        cache.remember(LIMITED.key(id=name), None, factory)
    except FactoryTimeout:
        print(name)

begun = threading.Event()

def late():
    begun.set()
    threading.main_thread().join()
    return "late"

ask("late", late)
assert begun.wait(10)
for name in ("hangs", "so does this", "and this", "never begun"):
    ask(name, threading.Event().wait)
"""


def test_a_process_ends_without_waiting_for_what_hangs_but_for_what_is_nearly_done():
    told = subprocess.run([sys.executable, "-c", ENDING], capture_output=True, text=True, timeout=30, check=True)
    assert told.stdout.splitlines() == ["late", "hangs", "so does this", "and this", "never begun"]
    assert Cache().get(LIMITED.key(id="late")) == "late"
