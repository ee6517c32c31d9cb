"""The response cache inside Django: miss, hit, version, expiry, and what a failing Redis costs."""

import json

import pytest
from django.test import RequestFactory

from cachecore import connections, envelope, versions
from cachecore.keys import registry
from cachecore.responses import Computed, Policy, cached
from games.keys import GAMES

POLICY = Policy(family=registry["games-list"], namespace=GAMES)


class Counter:
    """A computation that counts its calls and answers with the count."""

    def __init__(self, **computed):
        self.calls = 0
        self.computed = computed

    def __call__(self) -> Computed:
        self.calls += 1
        return Computed({"calls": self.calls}, **self.computed)


@pytest.fixture
def version() -> int:
    return versions.raise_version(GAMES)


def ask(compute, parameters=(("page", 1), ("tz", "UTC")), **headers):
    return cached(RequestFactory().get("/x/", headers=headers), POLICY, parameters, compute)


def stored_keys() -> list[str]:
    with connections.use("cache") as client:
        return [key.decode() for key in client.scan_iter(match="games:list:*")]


def test_a_miss_is_computed_and_stored_under_the_literal_key(version):
    compute = Counter()
    response = ask(compute)
    assert (response.headers["X-Cache"], json.loads(response.content)) == ("MISS", {"calls": 1})
    assert response.headers["X-Data-Version"] == str(version)
    assert stored_keys() == [f"games:list:page:1:tz:UTC:{version}"]
    with connections.use("cache") as client:
        assert 0 < client.pttl(stored_keys()[0]) <= 20_000


def test_a_hit_computes_nothing(version):
    compute = Counter()
    ask(compute)
    response = ask(compute)
    assert (response.headers["X-Cache"], json.loads(response.content)) == ("HIT", {"calls": 1})
    assert compute.calls == 1


def test_other_parameters_are_another_entry(version):
    compute = Counter()
    ask(compute)
    assert ask(compute, [("page", 2), ("tz", "UTC")]).headers["X-Cache"] == "MISS"
    assert compute.calls == 2


def test_a_raised_version_makes_it_cold(version):
    compute = Counter()
    ask(compute)
    versions.raise_version(GAMES)
    assert json.loads(ask(compute).content) == {"calls": 2}


def test_an_answer_computed_before_a_raise_is_never_found_after_it(version):
    """The race that leaves a stale value in every cache that keys without the version."""

    def overtaken() -> Computed:
        versions.raise_version(GAMES)  # a game is recorded while this answer is computed
        return Computed("old")

    ask(overtaken)
    assert json.loads(ask(lambda: Computed("new")).content) == "new"


def test_a_computation_may_shorten_the_time_to_live(version):
    ask(Counter(fresh_ms=1_500))
    with connections.use("cache") as client:
        assert 0 < client.pttl(stored_keys()[0]) <= 1_500


def test_an_answer_above_the_limit_is_given_and_not_stored(version):
    response = ask(lambda: Computed("x" * envelope.MAX_VALUE_BYTES))
    assert response.headers["X-Cache"] == "BYPASS"
    assert response.headers["Cache-Control"] == "no-cache"
    assert stored_keys() == []


def test_without_a_version_nothing_is_stored():
    assert ask(Counter()).headers["X-Cache"] == "BYPASS"
    assert stored_keys() == []


def test_another_releases_entry_is_computed_again(version):
    ask(Counter())
    with connections.use("cache") as client:
        client.set(stored_keys()[0], b"\x00 something else")
    assert ask(Counter()).headers["X-Cache"] == "MISS"


def test_the_etag_changes_with_the_body_only(version):
    first = ask(lambda: Computed("a"))
    versions.raise_version(GAMES)
    assert ask(lambda: Computed("a")).headers["ETag"] == first.headers["ETag"]
    versions.raise_version(GAMES)
    assert ask(lambda: Computed("b")).headers["ETag"] != first.headers["ETag"]


def test_a_matching_etag_is_a_304_with_its_headers(version):
    etag = ask(Counter()).headers["ETag"]
    response = ask(Counter(), **{"If-None-Match": etag})
    assert (response.status_code, response.content) == (304, b"")
    assert response.headers["ETag"] == etag


@pytest.mark.parametrize("fault", ["stop", "pause"])
def test_without_redis_the_answer_is_computed_every_time(version, valkey, fault):
    compute = Counter()
    getattr(valkey, fault)()
    assert [ask(compute).headers["X-Cache"] for _ in range(3)] == ["BYPASS"] * 3
    assert compute.calls == 3
