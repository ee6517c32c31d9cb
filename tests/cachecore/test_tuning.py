"""TTL tuning: the arithmetic on three traces, the bounds, and the shared steps in Redis."""

import heapq
import itertools
import random
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace

import pytest

from cachecore import keys, versions
from cachecore.keys import CacheOptions, Family
from cachecore.stats import stats
from cachecore.ttl import tuning
from cachecore.ttl.tuning import PERIOD_SECONDS, TUNING_STEPPING, TUNING_STEPS, Bounds, ChangeIntervals, Step
from games.keys import GAMES

FAMILY = "games-list"
WIDE = Bounds(0.1, 3600)
Trace = Iterator[tuple[float, int]]  # (seconds, key)

HOURS = 3600
KEYS = 50
SPLIT_SECONDS = 2 * HOURS


@pytest.fixture(autouse=True)
def _nothing_counted(monkeypatch):
    stats.reset()
    monkeypatch.setattr(tuning, "_steps", {})
    monkeypatch.setattr(tuning, "_intervals", ChangeIntervals())
    yield
    stats.reset()


def poisson(seed: int, key: int, per_second: float, start: float, end: float) -> Trace:
    rng, at = random.Random(1000 * seed + key), start
    while (at := at + rng.expovariate(per_second)) < end:
        yield at, key


def steady(seed: int) -> Trace:
    """Fifty keys, read at random, popular ones more often (Zipf)."""
    return heapq.merge(*(poisson(seed, key, 1 / (key + 1), 0, 2 * SPLIT_SECONDS) for key in range(KEYS)))


def bursty(seed: int) -> Trace:
    """Visits at random; each reads its key ten times within seconds."""
    rng = random.Random(seed)
    visits = heapq.merge(*(poisson(seed, key, 0.1 / (key + 1), 0, 2 * SPLIT_SECONDS) for key in range(KEYS)))
    reads = ((at + rng.uniform(0, 5), key) for at, key in visits for _ in range(10))
    return iter(sorted(reads))


def changing(seed: int) -> Trace:
    """Half-way, every key begins to be read five times less often."""
    before = (poisson(seed, key, 1 / (key + 1), 0, SPLIT_SECONDS) for key in range(KEYS))
    after = (poisson(-seed, key, 0.2 / (key + 1), SPLIT_SECONDS, 2 * SPLIT_SECONDS) for key in range(KEYS))
    return itertools.chain(heapq.merge(*before), heapq.merge(*after))


def rate_with_tuning(trace: Trace, target: float, ttl_seconds: float) -> tuple[float, float]:
    """Run a cache over the trace, tuned once per period. Return the hit rate of its last quarter and the last TTL."""
    expires: defaultdict[int, float] = defaultdict(float)
    served = reads = late_served = late_reads = 0
    period_end = PERIOD_SECONDS
    for at, key in trace:
        if at >= period_end:
            ttl_seconds = tuning.next_ttl(ttl_seconds, target=target, served=served, reads=reads, bounds=WIDE)
            served, reads, period_end = 0, 0, at + max(PERIOD_SECONDS, ttl_seconds)
        hit = at < expires[key]
        if not hit:
            expires[key] = at + ttl_seconds
        served, reads = served + hit, reads + 1
        if at >= 1.5 * SPLIT_SECONDS:
            late_served, late_reads = late_served + hit, late_reads + 1
    return late_served / late_reads, ttl_seconds


@pytest.mark.parametrize("trace", [steady, bursty, changing])
@pytest.mark.parametrize("target", [0.6, 0.8, 0.9])
@pytest.mark.parametrize("start_seconds", [1.0, 600.0])
def test_the_hit_rate_comes_within_two_percent_of_the_target(trace, target, start_seconds):
    rate, _ = rate_with_tuning(trace(1), target, start_seconds)
    assert abs(rate - target) <= 0.02 * target


def test_fewer_reads_need_a_longer_ttl():
    """It is longer by about the factor by which there are fewer reads."""
    _, before = rate_with_tuning(steady(1), 0.8, 20.0)
    _, after = rate_with_tuning(changing(1), 0.8, 20.0)
    assert 3.5 < after / before < 6.5


def test_a_step_has_the_right_direction_and_a_limited_size():
    def next_ttl(served: int, reads: int = 1000) -> float:
        return tuning.next_ttl(20, target=0.8, served=served, reads=reads, bounds=WIDE)

    assert next_ttl(800) == 20
    assert 20 < next_ttl(700) < next_ttl(600) < 40
    assert 10 < next_ttl(900) < 20
    assert (next_ttl(0), next_ttl(0, 0)) == (40, 20)  # at most double; unchanged without reads
    assert 20 < next_ttl(6, 10) < next_ttl(600)  # fewer reads cause a smaller step


@pytest.mark.parametrize(
    ("ttl", "interval", "expected"), [(1, None, 5), (500, None, 60), (30, None, 30), (30, 12, 12), (30, 2, 2)]
)
def test_a_ttl_stays_in_its_bounds_and_never_above_the_change_interval(ttl, interval, expected):
    assert Bounds(5, 60).clip(ttl, interval) == expected


def test_change_intervals_are_averaged():
    intervals = ChangeIntervals()
    intervals.observe({"a": 1_000_000, "b": None})
    assert intervals.shortest(["a", "b"]) is None
    intervals.observe({"a": 1_020_000, "b": 1})
    intervals.observe({"a": 1_020_000})  # no change, no interval
    assert intervals.shortest(["a", "b"]) == 20
    intervals.observe({"a": 1_030_000})
    assert intervals.shortest(["a"]) == 17  # 0.7 * 20 + 0.3 * 10
    assert intervals.shortest(["b"]) is None


def set_time(seconds: float, monkeypatch) -> None:
    monkeypatch.setattr(tuning, "now_ms", lambda: round(seconds * 1000))


def update_later(client) -> None:
    """Update the steps as after STEPPING_SECONDS, when another process may take one."""
    client.delete(TUNING_STEPPING.key())
    tuning.update_steps()


@pytest.fixture
def state():
    with tuning.connections.guarded_client("state") as client:
        yield client


def test_tuning_is_off_by_default(state):
    tuning.update_steps()
    assert tuning.ttl_for(keys.registry[FAMILY], 20) == 20
    assert not state.exists(TUNING_STEPS.key())


def test_only_families_of_the_setting_are_tuned(settings, state):
    settings.CACHE_TUNING = {FAMILY: 0.8, "lock": 0.8, "nothing": 0.8}
    tuning.update_steps()
    assert state.hkeys(TUNING_STEPS.key()) == [FAMILY.encode()]
    assert tuning.ttl_for(keys.registry["games-single"], 20) == 20


def test_the_first_step_keeps_the_own_ttl_and_the_next_one_changes_it(settings, state, monkeypatch):
    settings.CACHE_TUNING = {FAMILY: 0.8}
    stats.count(FAMILY, "hit", 1_000)  # before tuning: not counted
    set_time(1000, monkeypatch)
    tuning.update_steps()
    assert tuning.ttl_for(keys.registry[FAMILY], 20) == 20
    stats.count(FAMILY, "miss", 400)
    stats.count(FAMILY, "hit", 600)
    set_time(1000 + PERIOD_SECONDS - 0.001, monkeypatch)
    update_later(state)
    assert tuning.ttl_for(keys.registry[FAMILY], 20) == 20  # not due
    set_time(1000 + PERIOD_SECONDS, monkeypatch)
    update_later(state)
    expected = tuning.next_ttl(20, target=0.8, served=600, reads=1000, bounds=Bounds(5, 80))
    assert tuning.ttl_for(keys.registry[FAMILY], 20) == pytest.approx(expected)
    assert tuning.newest_steps()[FAMILY] == Step(expected, 0.8, 0.6, 1600, 2000, 1_030_000)


def test_other_processes_read_a_step_and_one_at_a_time_takes_it(settings, state, monkeypatch):
    settings.CACHE_TUNING = {FAMILY: 0.8}
    set_time(1000, monkeypatch)
    tuning.update_steps()
    stats.count(FAMILY, "miss", 1000)
    set_time(2000, monkeypatch)
    tuning.update_steps()  # another process may be taking a step
    assert tuning.ttl_for(keys.registry[FAMILY], 20) == 20
    update_later(state)
    assert tuning.ttl_for(keys.registry[FAMILY], 20) == 40
    monkeypatch.setattr(tuning, "_steps", {})
    tuning.update_steps()
    assert tuning.ttl_for(keys.registry[FAMILY], 20) == 40


def test_a_version_that_rises_often_limits_the_ttl(settings, state, monkeypatch):
    settings.CACHE_TUNING = {FAMILY: 0.8}
    set_time(1000, monkeypatch)
    tuning.update_steps()
    state.set(GAMES.key, 1_000_000)
    tuning.update_steps()
    state.set(GAMES.key, 1_007_000)
    stats.count(FAMILY, "miss", 1000)
    set_time(2000, monkeypatch)
    update_later(state)
    assert tuning.ttl_for(keys.registry[FAMILY], 20) == 7


def test_the_bounds_of_the_tier_apply(monkeypatch):
    monkeypatch.setattr(keys, "registry", dict(keys.registry))
    family = Family(
        name="tuned",
        pattern="tuned:{parameters}",
        role="cache",
        type="string",
        ttl_seconds=120,
        holds="x",
        written_by="x",
        purged_by="x",
        options=CacheOptions(tier="analytics"),
    )
    assert tuning.bounds_of(family) == Bounds(20, 600)
    assert family.own_ttl_seconds == 120
    assert tuning.bounds_of(replace(family, name="untied", options=CacheOptions())) == Bounds(30, 480)


def test_lost_totals_change_no_ttl(settings, state, monkeypatch):
    settings.CACHE_TUNING = {FAMILY: 0.8}
    step = Step(33.0, 0.8, 0.5, 5_000, 10_000, 0)
    stats.count(FAMILY, "miss", 10)
    following = tuning.next_step(step, keys.registry[FAMILY], 0.8, stats.snapshot(), 5)
    assert following == Step(33.0, 0.8, 0.0, 0, 10, 5)


def test_without_redis_the_last_ttl_applies(settings, state, valkey):
    settings.CACHE_TUNING = {FAMILY: 0.8}
    versions.raise_version(GAMES)
    tuning.update_steps()
    tuning._steps[FAMILY] = Step(33.0, 0.8, 0.5, 0, 0, 0)
    valkey.stop()
    with pytest.raises(tuning.connections.RedisUnavailable):
        tuning.update_steps()
    assert tuning.ttl_for(keys.registry[FAMILY], 20) == 33
    assert tuning.newest_steps()[FAMILY].ttl_seconds == 33
