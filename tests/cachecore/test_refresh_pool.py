"""Threads for factories: limits per family, queueing, failing jobs, process exit."""

import asyncio
import threading

import pytest

from cachecore.read_through.refresh_pool import MAX_QUEUED, RefreshPool
from cachecore.service import Cache
from tests.cachecore.test_envelope import family
from tests.processes import run_python

LIMIT = 10
LIMITED = family("refresh-pool-limited", factory_hard_timeout_seconds=0.01)


def runs_a_job(pool, family="one"):
    """Return True if a job of the family runs."""
    event = threading.Event()
    return pool.submit(family, event.set) and event.wait(LIMIT)


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, asyncio.CancelledError, ValueError])
def test_a_job_that_raises_any_exception_leaves_its_thread_to_the_next(error, caplog):
    pool = RefreshPool(2)

    def fails():
        raise error("failed")

    for _ in range(5):
        assert pool.submit("one", fails)
    assert runs_a_job(pool)
    assert caplog.text.count("A factory in the background failed.") == 5
    assert pool._busy["one"] <= 1


def test_a_family_has_half_of_the_threads_at_most():
    pool, go = RefreshPool(4), threading.Event()
    for _ in range(2 + MAX_QUEUED):
        assert pool.submit("hangs", lambda: go.wait(LIMIT))
    assert not pool.submit("hangs", lambda: None)
    assert runs_a_job(pool, "another")
    go.set()
    assert runs_a_job(pool, "another")


def test_if_no_thread_can_be_started_the_job_is_refused_and_not_counted(monkeypatch):
    pool = RefreshPool(2)

    def refused(thread):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refused)
        assert not pool.submit("one", lambda: None)
    assert runs_a_job(pool)


def test_queued_jobs_run_in_order_as_their_families_have_room():
    pool, go, end, order = RefreshPool(2), threading.Event(), threading.Event(), []
    assert pool.submit("one", lambda: end.wait(LIMIT))
    assert pool.submit("two", lambda: go.wait(LIMIT))
    for name in ("one", "two", "three", "two"):
        assert pool.submit(name, lambda name=name: order.append(name))
    go.set()
    assert runs_a_job(pool, "four")
    assert order == ["two", "three", "two"]
    end.set()


ENDING = """
import django
django.setup()
import threading
from cachecore.service import FactoryTimeout, cache
from tests.cachecore.test_refresh_pool import LIMITED

def read(name, factory):
    try:
        cache.remember(LIMITED.key(id=name), None, factory)
    except FactoryTimeout:
        print(name)

started = threading.Event()

def late():
    started.set()
    threading.main_thread().join()
    return "late"

read("late", late)
assert started.wait(10)
for name in ("hangs 1", "hangs 2", "hangs 3", "never started"):
    read(name, threading.Event().wait)
"""


def test_an_exiting_process_waits_for_a_factory_that_is_nearly_done_and_not_for_hanging_ones():
    process = run_python("-c", ENDING)
    assert process.stdout.splitlines() == ["late", "hangs 1", "hangs 2", "hangs 3", "never started"]
    assert Cache().get(LIMITED.key(id="late")) == "late"
