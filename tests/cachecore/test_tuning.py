"""TTLs that move to a hit rate: the arithmetic on three traces, the bounds, and the shared steps in Redis."""

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
    chance, at = random.Random(1000 * seed + key), start
    while (at := at + chance.expovariate(per_second)) < end:
        yield at, key


def steady(seed: int) -> Trace:
    """Fifty keys, asked at random, the popular ones more (Zipf)."""
    return heapq.merge(*(poisson(seed, key, 1 / (key + 1), 0, 2 * SPLIT_SECONDS) for key in range(KEYS)))


def bursty(seed: int) -> Trace:
    """Visits at random; each asks its key ten times within seconds."""
    chance = random.Random(seed)
    visits = heapq.merge(*(poisson(seed, key, 0.1 / (key + 1), 0, 2 * SPLIT_SECONDS) for key in range(KEYS)))
    asked = ((at + chance.uniform(0, 5), key) for at, key in visits for _ in range(10))
    return iter(sorted(asked))


def changing(seed: int) -> Trace:
    """Half-way, every key is asked five times less."""
    before = (poisson(seed, key, 1 / (key + 1), 0, SPLIT_SECONDS) for key in range(KEYS))
    after = (poisson(-seed, key, 0.2 / (key + 1), SPLIT_SECONDS, 2 * SPLIT_SECONDS) for key in range(KEYS))
    return itertools.chain(heapq.merge(*before), heapq.merge(*after))


def rate_with_tuning(trace: Trace, target: float, ttl_seconds: float) -> tuple[float, float]:
    """Run a cache over the trace, tuned once per period: the hit rate of its last quarter, and the last TTL."""
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


def test_fewer_requests_need_a_longer_ttl():
    """By about the factor by which they became fewer: what the changing trace must find."""
    _, before = rate_with_tuning(steady(1), 0.8, 20.0)
    _, after = rate_with_tuning(changing(1), 0.8, 20.0)
    assert 3.5 < after / before < 6.5


def test_a_step_goes_the_right_way_and_not_too_far():
    def moved(served: int, reads: int = 1000) -> float:
        return tuning.next_ttl(20, target=0.8, served=served, reads=reads, bounds=WIDE)

    assert moved(800) == 20
    assert 20 < moved(700) < moved(600) < 40
    assert 10 < moved(900) < 20
    assert (moved(0), moved(0, 0)) == (40, 20)  # at most double; nothing read says nothing
    assert 20 < moved(6, 10) < moved(600)  # few reads are believed less


@pytest.mark.parametrize(
    ("ttl", "interval", "expected"), [(1, None, 5), (500, None, 60), (30, None, 30), (30, 12, 12), (30, 2, 2)]
)
def test_a_ttl_stays_in_its_bounds_and_never_above_the_change_interval(ttl, interval, expected):
    assert Bounds(5, 60).clip(ttl, interval) == expected


def test_change_intervals_as_they_are_seen():
    seen = ChangeIntervals()
    seen.observe({"a": 1_000_000, "b": None})
    assert seen.shortest(["a", "b"]) is None
    seen.observe({"a": 1_020_000, "b": 1})
    seen.observe({"a": 1_020_000})  # no change, no interval
    assert seen.shortest(["a", "b"]) == 20
    seen.observe({"a": 1_030_000})
    assert seen.shortest(["a"]) == 17  # 0.7 * 20 + 0.3 * 10
    assert seen.shortest(["b"]) is None


def at(seconds: float, monkeypatch) -> None:
    monkeypatch.setattr(tuning, "now_ms", lambda: round(seconds * 1000))


def look_again(client) -> None:
    """As after STEPPING_SECONDS, when another process may step."""
    client.delete(TUNING_STEPPING.key())
    tuning.update_steps()


@pytest.fixture
def state():
    with tuning.connections.guarded_client("state") as client:
        yield client


def test_off_by_default(state):
    tuning.update_steps()
    assert tuning.ttl_for(keys.registry[FAMILY], 20) == 20
    assert not state.exists(TUNING_STEPS.key())


def test_only_the_families_named_are_tuned(settings, state):
    settings.CACHE_TUNING = {FAMILY: 0.8, "lock": 0.8, "nothing": 0.8}
    tuning.update_steps()
    assert state.hkeys(TUNING_STEPS.key()) == [FAMILY.encode()]
    assert tuning.ttl_for(keys.registry["games-single"], 20) == 20


def test_the_first_step_stands_at_the_familys_own_ttl_and_the_next_moves(settings, state, monkeypatch):
    settings.CACHE_TUNING = {FAMILY: 0.8}
    stats.count(FAMILY, "hit", 1_000)  # before tuning: of no account
    at(1000, monkeypatch)
    tuning.update_steps()
    assert tuning.ttl_for(keys.registry[FAMILY], 20) == 20
    stats.count(FAMILY, "miss", 400)
    stats.count(FAMILY, "hit", 600)
    at(1000 + PERIOD_SECONDS - 0.001, monkeypatch)
    look_again(state)
    assert tuning.ttl_for(keys.registry[FAMILY], 20) == 20  # not due
    at(1000 + PERIOD_SECONDS, monkeypatch)
    look_again(state)
    expected = tuning.next_ttl(20, target=0.8, served=600, reads=1000, bounds=Bounds(5, 80))
    assert tuning.ttl_for(keys.registry[FAMILY], 20) == pytest.approx(expected)
    assert tuning.newest_steps()[FAMILY] == Step(expected, 0.8, 0.6, 1600, 2000, 1_030_000)


def test_another_process_learns_the_step_and_one_at_a_time_takes_it(settings, state, monkeypatch):
    settings.CACHE_TUNING = {FAMILY: 0.8}
    at(1000, monkeypatch)
    tuning.update_steps()
    stats.count(FAMILY, "miss", 1000)
    at(2000, monkeypatch)
    tuning.update_steps()  # somebody is stepping, so far as this process knows
    assert tuning.ttl_for(keys.registry[FAMILY], 20) == 20
    look_again(state)
    assert tuning.ttl_for(keys.registry[FAMILY], 20) == 40
    monkeypatch.setattr(tuning, "_steps", {})
    tuning.update_steps()
    assert tuning.ttl_for(keys.registry[FAMILY], 20) == 40


def test_a_version_that_rises_often_bounds_the_ttl(settings, state, monkeypatch):
    settings.CACHE_TUNING = {FAMILY: 0.8}
    at(1000, monkeypatch)
    tuning.update_steps()
    state.set(GAMES.key, 1_000_000)
    tuning.update_steps()
    state.set(GAMES.key, 1_007_000)
    stats.count(FAMILY, "miss", 1000)
    at(2000, monkeypatch)
    look_again(state)
    assert tuning.ttl_for(keys.registry[FAMILY], 20) == 7


def test_a_tiers_bounds_hold(monkeypatch):
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


def test_lost_totals_move_nothing(settings, state, monkeypatch):
    settings.CACHE_TUNING = {FAMILY: 0.8}
    step = Step(33.0, 0.8, 0.5, 5_000, 10_000, 0)
    stats.count(FAMILY, "miss", 10)
    found = tuning.next_step(step, keys.registry[FAMILY], 0.8, stats.snapshot(), 5)
    assert found == Step(33.0, 0.8, 0.0, 0, 10, 5)


def test_without_redis_the_last_ttl_known_holds(settings, state, valkey):
    settings.CACHE_TUNING = {FAMILY: 0.8}
    versions.raise_version(GAMES)
    tuning.update_steps()
    tuning._steps[FAMILY] = Step(33.0, 0.8, 0.5, 0, 0, 0)
    valkey.stop()
    with pytest.raises(tuning.connections.RedisUnavailable):
        tuning.update_steps()
    assert tuning.ttl_for(keys.registry[FAMILY], 20) == 33
    assert tuning.newest_steps()[FAMILY].ttl_seconds == 33
