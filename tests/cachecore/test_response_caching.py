"""The response cache inside Django: miss, hit, version, expiry, and what a failing Redis costs."""

import gzip
import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.test import RequestFactory

from cachecore import versions
from cachecore.keys import registry
from cachecore.redis_client import connections
from cachecore.responses import caching
from cachecore.responses.caching import ComputedResult, Policy, cached_response, get_or_compute
from cachecore.storage import envelope
from games.keys import GAMES

POLICY = Policy(family=registry["games-list"], namespace=GAMES)


class Counter:
    """A computation that counts its calls and answers with the count."""

    def __init__(self, **computed):
        self.calls = 0
        self.computed = computed

    def __call__(self) -> ComputedResult:
        self.calls += 1
        return ComputedResult({"calls": self.calls}, **self.computed)


@pytest.fixture
def version() -> int:
    return versions.raise_version(GAMES)


def ask(compute, parameters=(("page", 1), ("tz", "UTC")), **headers):
    return cached_response(RequestFactory().get("/x/", headers=headers), POLICY, parameters, compute)


def stored_keys() -> list[str]:
    with connections.guarded_client("cache") as client:
        return [key.decode() for key in client.scan_iter(match="games:list:*")]


def test_a_miss_is_computed_and_stored_under_the_literal_key(version):
    compute = Counter()
    response = ask(compute)
    assert (response.headers["X-Cache"], json.loads(response.content)) == ("MISS", {"calls": 1})
    assert response.headers["X-Data-Version"] == str(version)
    assert stored_keys() == [f"games:list:page:1:tz:UTC:{version}"]
    with connections.guarded_client("cache") as client:
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

    def overtaken() -> ComputedResult:
        versions.raise_version(GAMES)  # a game is recorded while this answer is computed
        return ComputedResult("old")

    ask(overtaken)
    assert json.loads(ask(lambda: ComputedResult("new")).content) == "new"


def test_a_computation_may_shorten_the_time_to_live(version):
    ask(Counter(fresh_ms=1_500))
    with connections.guarded_client("cache") as client:
        assert 0 < client.pttl(stored_keys()[0]) <= 1_500


def test_an_answer_above_the_limit_is_given_and_not_stored(version):
    response = ask(lambda: ComputedResult("x" * envelope.MAX_VALUE_BYTES))
    assert response.headers["X-Cache"] == "BYPASS"
    assert response.headers["Cache-Control"] == "no-cache"
    assert stored_keys() == []


def test_without_a_version_nothing_is_stored():
    assert ask(Counter()).headers["X-Cache"] == "BYPASS"
    assert stored_keys() == []


def test_another_releases_entry_is_computed_again(version):
    ask(Counter())
    with connections.guarded_client("cache") as client:
        client.set(stored_keys()[0], b"\x00 something else")
    assert ask(Counter()).headers["X-Cache"] == "MISS"


def test_the_etag_changes_with_the_body_only(version):
    first = ask(lambda: ComputedResult("a"))
    versions.raise_version(GAMES)
    assert ask(lambda: ComputedResult("a")).headers["ETag"] == first.headers["ETag"]
    versions.raise_version(GAMES)
    assert ask(lambda: ComputedResult("b")).headers["ETag"] != first.headers["ETag"]


def test_a_matching_etag_is_a_304_with_its_headers(version):
    etag = ask(Counter()).headers["ETag"]
    response = ask(Counter(), **{"If-None-Match": etag})
    assert (response.status_code, response.content) == (304, b"")
    assert response.headers["ETag"] == etag


def long_answer() -> ComputedResult:
    return ComputedResult({"games": list(range(1_000))})


@pytest.mark.parametrize("outcome", ["MISS", "HIT", "BYPASS"])
def test_django_sends_the_gzip_too_whatever_the_outcome(outcome):
    if outcome != "BYPASS":
        versions.raise_version(GAMES)
    if outcome == "HIT":
        ask(long_answer)
    response = ask(long_answer, **{"Accept-Encoding": "br, gzip"})
    assert (response["X-Cache"], response["Content-Encoding"]) == (outcome, "gzip")
    assert json.loads(gzip.decompress(response.content)) == {"games": list(range(1_000))}
    assert len(response.content) < len(ask(long_answer).content) / 2
    assert response["ETag"] == ask(long_answer)["ETag"]


@pytest.mark.parametrize("accepted", ["", "br", "gzip;q=0", "gzip; q=0.000, br", "x-gzipped"])
def test_who_does_not_take_gzip_gets_none(version, accepted):
    response = ask(long_answer, **{"Accept-Encoding": accepted})
    assert "Content-Encoding" not in response
    assert json.loads(response.content) == {"games": list(range(1_000))}


def test_a_short_answer_and_a_304_have_no_coding(version):
    short = ask(Counter(), **{"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in short
    etag = ask(long_answer, parameters=(("page", 2),))["ETag"]
    same = ask(long_answer, parameters=(("page", 2),), **{"Accept-Encoding": "gzip", "If-None-Match": etag})
    assert (same.status_code, same.content, "Content-Encoding" in same) == (304, b"", False)


@pytest.mark.parametrize("fault", ["stop", "pause"])
def test_without_redis_the_answer_is_computed_every_time(version, valkey, fault):
    compute = Counter()
    getattr(valkey, fault)()
    assert [ask(compute).headers["X-Cache"] for _ in range(3)] == ["BYPASS"] * 3
    assert compute.calls == 3


def test_the_function_answers_what_the_response_carries(version):
    """For who has no request, as a page of the same process."""
    compute = Counter()
    told = get_or_compute(POLICY, [("page", 1), ("tz", "UTC")], compute)
    assert (told.outcome, told.stored.body, told.cached_url.key(version)) == ("MISS", b'{"calls":1}', stored_keys()[0])
    response = ask(compute)
    assert (response.headers["X-Cache"], response.content, compute.calls) == ("HIT", told.stored.body, 1)


def test_an_answer_that_holds_for_no_time_is_not_for_proxies_either(version):
    response = ask(Counter(fresh_ms=0))
    assert (response.headers["X-Cache"], response.headers["Cache-Control"]) == ("BYPASS", "no-cache")
    assert caching.cached_urls == {}


# Before computing --------------------------------------------------------------------------------------------------


class Refused(Exception):
    pass


def refuse() -> None:
    raise Refused


def test_who_may_not_compute_computes_and_stores_nothing(version):
    compute = Counter()
    with pytest.raises(Refused):
        get_or_compute(POLICY, [("page", 1)], compute, refuse)
    assert (compute.calls, stored_keys()) == (0, [])
    assert get_or_compute(POLICY, [("page", 1)], compute).outcome == "MISS"  # at once: no lease is left behind


def test_who_may_not_compute_may_have_what_is_there(version):
    get_or_compute(POLICY, [("page", 1)], Counter())
    assert get_or_compute(POLICY, [("page", 1)], Counter(), refuse).outcome == "HIT"


def test_without_the_cache_everybody_is_asked():
    compute = Counter()
    with pytest.raises(Refused):
        get_or_compute(POLICY, [("page", 1)], compute, refuse)
    assert compute.calls == 0


def test_the_request_is_asked_once_and_only_before_computing(version):
    asked = []

    def cached_with(compute, **headers):
        request = RequestFactory().get("/x/", headers=headers)
        request.before_computing = lambda: asked.append(compute.calls)
        response = cached_response(request, POLICY, [("page", 1)], compute)
        assert not hasattr(request, "before_computing")
        return response

    compute = Counter()
    assert cached_with(compute).headers["X-Cache"] == "MISS"
    etag = cached_with(compute).headers["ETag"]
    assert cached_with(compute, **{"If-None-Match": etag}).status_code == 304
    assert (asked, compute.calls) == ([0], 1)


@pytest.mark.parametrize("page", range(5))
def test_a_refused_caller_does_not_take_down_those_who_wait_for_its_answer(version, page):
    """Six miss at the same moment, all but one are over their limit, and that one may come last."""
    compute = Counter()

    def asking(caller: int) -> str:
        def before_computing() -> None:
            with connections.guarded_client("cache") as client:
                for _ in range(50):  # the others find that somebody computes, and wait
                    client.ping()
            if caller:
                raise Refused

        try:
            return get_or_compute(POLICY, [("page", page)], compute, before_computing).outcome
        except Refused:
            return "refused"

    get_or_compute(POLICY, [("page", "connected")], compute)
    with ThreadPoolExecutor(6) as pool, connections.guarded_client("cache") as client:
        client.execute_command("CLIENT", "PAUSE", 50, "ALL")  # milliseconds; then all are told at once
        outcomes = list(pool.map(asking, reversed(range(6))))
    assert outcomes[-1] in ("MISS", "HIT")
    assert set(outcomes[:-1]) <= {"refused", "MISS", "HIT"}  # those who come after it have its answer
    assert compute.calls == 2
