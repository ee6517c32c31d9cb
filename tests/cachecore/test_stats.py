"""Counts: none is lost between threads, each batch is added once, and counts are kept while Redis is unavailable."""

import gzip
import os
import subprocess
import sys
import threading

import pytest
from django.test import RequestFactory

from cachecore import versions
from cachecore.keys import registry
from cachecore.redis_client import connections
from cachecore.responses.caching import ComputedResult, Policy, cached_response
from cachecore.stats import stats, totals
from cachecore.stats.counters import Counters
from cachecore.stats.measures import BOUNDS_SECONDS
from cachecore.stats.totals import STATS_TOTALS, Totals
from config.env import BASE_DIR
from games.keys import GAMES
from tests.cachecore import test_asgi_middleware
from tests.cachecore.asgi import send_request
from tests.processes import scaled

FAMILY = "games-list"
OTHER = "games-single"


@pytest.fixture(autouse=True)
def _nothing_counted():
    stats.reset()
    yield
    stats.stop()
    stats.reset()


def stored() -> dict[str, int]:
    with connections.guarded_client("state") as client:
        found = client.hgetall(STATS_TOTALS.key())
    return {field.decode(): int(amount) for field, amount in found.items() if field != b"since_ms"}


def another_process() -> tuple[Counters, Totals]:
    counters = Counters()
    return counters, Totals(counters)


def test_counts_of_a_family_and_the_rate_of_served_reads():
    for event, amount in {"hit": 5, "local_hit": 2, "stale": 1, "miss": 1, "bypass": 1, "wait": 9}.items():
        stats.count(FAMILY, event, amount)
    found = stats.snapshot().family(FAMILY)
    assert (found.reads, found.served, found.hit_rate) == (10, 8, 0.8)
    assert found.events("hit", "local_hit") == 7


def test_nothing_read_has_no_rate():
    stats.count(FAMILY, "stored")
    assert stats.snapshot().family(FAMILY).hit_rate is None
    assert stats.snapshot().total.hit_rate is None
    assert stats.snapshot().family(OTHER).hit_rate is None


def test_durations_are_counted_in_their_buckets():
    for seconds in (0.00005, 0.001, 0.0011, 60.0):
        stats.record_duration(FAMILY, "compute", seconds)
    latency = stats.snapshot().family(FAMILY).latency("compute")
    assert latency.seconds == pytest.approx(60.00215)
    assert dict(zip((*BOUNDS_SECONDS, "above"), latency.buckets, strict=True)) == {
        **dict.fromkeys((*BOUNDS_SECONDS, "above"), 0),
        0.0001: 1,
        0.001: 1,  # an upper bound belongs to its bucket
        0.0025: 1,
        "above": 1,
    }
    assert (latency.count, latency.quantile_seconds(0.5), latency.quantile_seconds(0.95)) == (4, 0.001, float("inf"))
    assert stats.snapshot().family(FAMILY).latency("read").quantile_seconds(0.95) is None


def test_sizes_before_and_after_compression():
    stats.record_size(FAMILY, 1000, 300)
    stats.record_size(FAMILY, 500, 200)
    found = stats.snapshot().family(FAMILY)
    assert (found.raw_bytes, found.stored_bytes) == (1500, 500)


def test_concurrent_threads_lose_no_count():
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # switches as often as possible: `+=` on a shared dict would lose counts
    try:
        threads = [threading.Thread(target=lambda: [stats.count(FAMILY, "hit") for _ in range(20_000)]) for _ in "1234"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert stats.snapshot().family(FAMILY).events("hit") == 80_000


def test_ended_threads_leave_no_dict_behind():
    counters = Counters()
    for _ in range(5):
        thread = threading.Thread(target=counters.add, args=(FAMILY, "hit"))
        thread.start()
        thread.join()
    assert counters.totals() == {(FAMILY, "hit"): 5}
    assert counters._living == []


def test_processes_add_up():
    (here, totals_here), (there, totals_there) = another_process(), another_process()
    here.add(FAMILY, "hit", 3)
    there.add(FAMILY, "hit", 4)
    there.add(OTHER, "miss")
    totals_here.flush()
    totals_there.flush()
    here.add(FAMILY, "hit")
    totals_here.flush()
    totals_here.flush()  # nothing new
    assert stored() == {"games-list:hit": 8, "games-single:miss": 1}
    assert stats.snapshot().family(FAMILY).events("hit") == 8


def test_real_processes_add_up_at_their_exit():
    script = (
        "import django; from django.conf import settings; django.setup(); settings.CACHE_STATS_FLUSH_SECONDS = 3600\n"
        "from cachecore.stats import stats\nfor _ in range(1000): stats.count('games-list', 'hit')\n"
    )
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings.test"}
    children = [subprocess.Popen([sys.executable, "-c", script], cwd=BASE_DIR, env=environment) for _ in range(2)]
    assert [child.wait(timeout=scaled(60)) for child in children] == [0, 0]
    assert stored() == {"games-list:hit": 2000}


def test_a_forked_child_does_not_count_its_parents_counts_again():
    stats.count(FAMILY, "hit", 7)
    child = os.fork()
    if child == 0:
        stats.count(FAMILY, "hit", 1)
        os._exit(0 if stats._counters.totals() == {(FAMILY, "hit"): 1} else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert stats.snapshot().family(FAMILY).events("hit") == 7


def test_counts_are_kept_while_redis_is_unavailable_and_added_once(valkey):
    stats.count(FAMILY, "hit", 2)
    assert stats.snapshot().complete
    valkey.stop()
    stats.count(FAMILY, "hit", 3)
    assert stats.flush() is False
    stats.count(FAMILY, "hit", 4)
    found = stats.snapshot()
    assert (found.complete, found.family(FAMILY).events("hit")) == (False, 9)
    valkey.start()  # empty: in tests it is not persistent
    connections.breaker("state").record_success()
    assert stats.flush() is True
    assert stored() == {"games-list:hit": 7}


def test_a_batch_whose_reply_was_lost_is_added_once(valkey):
    """A hung Redis later executes what it had received."""
    counters, sender = another_process()
    counters.add(FAMILY, "hit", 1)
    sender.flush()  # loads the script into the server
    counters.add(FAMILY, "hit", 5)
    valkey.pause()
    with pytest.raises(connections.RedisUnavailable):
        sender.flush()
    valkey.resume()
    connections.breaker("state").record_success()
    counters.add(FAMILY, "hit", 1)
    sender.flush()
    assert stored() == {"games-list:hit": 7}


def test_names_of_no_family_share_one_name():
    for name in ("typo", "x" * 10_000, "a b\n"):
        stats.count(name, "hit")
    assert stats.snapshot().family(totals.UNREGISTERED).events("hit") == 3
    assert stored() == {"unregistered:hit": 3}


def test_the_thread_flushes_and_survives_a_failing_job(settings, monkeypatch):
    settings.CACHE_STATS_FLUSH_SECONDS = 0.01
    ran = threading.Event()
    jobs = iter([ZeroDivisionError, None])

    def job() -> None:
        if (error := next(jobs, None)) is not None:
            raise error
        ran.set()

    monkeypatch.setattr(stats._flusher, "after_flush", [job])
    stats.count(FAMILY, "hit", 3)
    assert ran.wait(10)
    assert stored() == {"games-list:hit": 3}


def test_the_setting_zero_starts_no_thread(settings):
    settings.CACHE_STATS_FLUSH_SECONDS = 0
    stats.count(FAMILY, "hit")
    assert stats._flusher._thread is None


def test_the_response_cache_counts_how_each_read_ended():
    policy = Policy(family=registry[FAMILY], namespace=GAMES)

    def request() -> None:
        cached_response(RequestFactory().get("/x/"), policy, [("page", 1)], lambda: ComputedResult("x" * 100))

    request()  # no version yet
    versions.raise_version(GAMES)
    request()
    request()
    found = stats.snapshot().family(FAMILY)
    assert {event: found.events(event) for event in ("bypass", "miss", "hit")} == {"bypass": 1, "miss": 1, "hit": 1}
    assert found.latency("compute").count == 1  # of the miss
    assert 102 < found.raw_bytes < found.stored_bytes  # the body, in its envelope
    assert found.stored_bytes > 102  # with its times, tag and version


def test_a_responses_gzip_is_part_of_both_sizes():
    body = "x" * 10_000
    versions.raise_version(GAMES)
    policy = Policy(family=registry[FAMILY], namespace=GAMES)
    cached_response(RequestFactory().get("/x/"), policy, [("page", 1)], lambda: ComputedResult(body))
    found, both = stats.snapshot().family(FAMILY), len(body) + 2 + len(gzip.compress(f'"{body}"'.encode(), 6))
    assert both < found.raw_bytes < both + 100
    assert found.raw_bytes < found.stored_bytes < found.raw_bytes + 100  # its envelope, nothing else


def test_the_middleware_counts_where_it_found_the_response():
    async def scenario(middleware, django):
        return [(await send_request(middleware, "/x/")).headers["x-cache"] for _ in range(4)]

    assert test_asgi_middleware.run(scenario) == ["MISS", "HIT", "HIT", "HIT"]
    found = stats.snapshot().family(FAMILY)
    assert {event: found.events(event) for event in ("miss", "hit", "local_hit")} == {
        "miss": 1,
        "hit": 1,
        "local_hit": 2,
    }
