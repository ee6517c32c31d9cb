"""Threads for factories: what ends a job must not end the family's place among the threads."""

import asyncio
import threading

import pytest

from cachecore.filling.background import MAX_WAITING, BackgroundThreads

LIMIT = 10


def done(pool, family="one"):
    """Whether a job of the family is done."""
    event = threading.Event()
    return pool.begin(family, event.set) and event.wait(LIMIT)


@pytest.mark.parametrize("ending", [SystemExit, KeyboardInterrupt, asyncio.CancelledError, ValueError])
def test_a_job_that_ends_with_anything_leaves_its_thread_to_the_next(ending, caplog):
    pool = BackgroundThreads(2)

    def ends():
        raise ending("so it ends")

    for _ in range(5):
        assert pool.begin("one", ends)
    assert done(pool)
    assert caplog.text.count("a factory in the background failed") == 5
    assert pool._busy["one"] <= 1


def test_a_family_has_half_of_the_threads_and_the_others_theirs():
    pool, go = BackgroundThreads(4), threading.Event()
    for _ in range(2 + MAX_WAITING):
        assert pool.begin("hangs", lambda: go.wait(LIMIT))
    assert not pool.begin("hangs", lambda: None)
    assert done(pool, "another")
    go.set()
    assert done(pool, "another")
