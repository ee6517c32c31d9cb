"""The response cache inside Django: miss, hit, version, expiry, and what a failing Redis costs."""

import gzip
import json
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest
from django.test import RequestFactory

from cachecore import versions
from cachecore.keys import registry
from cachecore.redis_client import connections
from cachecore.responses import caching
from cachecore.responses.caching import ComputedResult, Policy, cached_response, get_or_compute
from cachecore.responses.stored_response import BODY_FORMAT
from cachecore.storage import envelope
from games.keys import GAMES

POLICY = Policy(family=registry["games-list"], namespace=GAMES)


class Counter:
    """A computation that returns how often it was called."""

    def __init__(self, **computed):
        self.calls = 0
        self.computed = computed

    def __call__(self) -> ComputedResult:
        self.calls += 1
        return ComputedResult({"calls": self.calls}, **self.computed)


@pytest.fixture
def version() -> int:
    return versions.raise_version(GAMES)


def get_response(compute, parameters=(("page", 1), ("tz", "UTC")), **headers):
    return cached_response(RequestFactory().get("/x/", headers=headers), POLICY, parameters, compute)


def stored_keys() -> list[str]:
    with connections.guarded_client("cache") as client:
        return [key.decode() for key in client.scan_iter(match="games:list:*")]


def test_a_miss_is_computed_and_stored_under_the_literal_key(version):
    compute = Counter()
    response = get_response(compute)
    assert (response.headers["X-Cache"], json.loads(response.content)) == ("MISS", {"calls": 1})
    assert response.headers["X-Data-Version"] == str(version)
    assert stored_keys() == [f"games:list:page:1:tz:UTC:{version}"]
    with connections.guarded_client("cache") as client:
        assert 0 < client.pttl(stored_keys()[0]) <= 20_000


def test_a_hit_computes_nothing(version):
    compute = Counter()
    get_response(compute)
    response = get_response(compute)
    assert (response.headers["X-Cache"], json.loads(response.content)) == ("HIT", {"calls": 1})
    assert compute.calls == 1


def test_other_parameters_are_stored_separately(version):
    compute = Counter()
    get_response(compute)
    assert get_response(compute, [("page", 2), ("tz", "UTC")]).headers["X-Cache"] == "MISS"
    assert compute.calls == 2


def test_a_raised_version_makes_the_next_read_a_miss(version):
    compute = Counter()
    get_response(compute)
    versions.raise_version(GAMES)
    assert json.loads(get_response(compute).content) == {"calls": 2}


def test_a_response_computed_before_a_raise_is_never_served_after_it(version):
    """The race that leaves a stale value in every cache that keys without the version."""

    def computed_during_a_raise() -> ComputedResult:
        versions.raise_version(GAMES)  # a game is recorded meanwhile
        return ComputedResult("old")

    get_response(computed_during_a_raise)
    assert json.loads(get_response(lambda: ComputedResult("new")).content) == "new"


def test_a_computation_may_shorten_the_time_to_live(version):
    get_response(Counter(fresh_ms=1_500))
    with connections.guarded_client("cache") as client:
        assert 0 < client.pttl(stored_keys()[0]) <= 1_500


def test_a_response_above_the_size_limit_is_returned_and_not_stored(version):
    response = get_response(lambda: ComputedResult("x" * envelope.MAX_VALUE_BYTES))
    assert response.headers["X-Cache"] == "BYPASS"
    assert response.headers["Cache-Control"] == "no-cache"
    assert stored_keys() == []


def test_without_a_version_nothing_is_stored():
    assert get_response(Counter()).headers["X-Cache"] == "BYPASS"
    assert stored_keys() == []


def test_another_releases_entry_is_computed_again(version):
    get_response(Counter())
    with connections.guarded_client("cache") as client:
        client.set(stored_keys()[0], b"\x00 something else")
    assert get_response(Counter()).headers["X-Cache"] == "MISS"


def test_a_response_stored_by_a_release_with_another_body_format_is_computed_again(version):
    """Otherwise clients would get both formats until the last of the old responses has expired."""
    get_response(Counter())
    with connections.guarded_client("cache") as client:
        [key] = stored_keys()
        stored = envelope.parse(client.get(key))
        fields = msgspec.msgpack.decode(stored.body)
        assert fields.pop() == BODY_FORMAT
        for others in ([], [BODY_FORMAT - 1], [BODY_FORMAT + 1]):
            other = msgspec.structs.replace(stored, body=msgspec.msgpack.encode([*fields, *others]))
            client.set(key, envelope.MARK + bytes(8) + msgspec.msgpack.encode(other))
            found = [get_response(Counter()).headers["X-Cache"] for _ in range(3)]
            assert found == ["BYPASS", "MISS", "HIT"]  # the first read deletes it


def test_the_etag_changes_with_the_body_only(version):
    first = get_response(lambda: ComputedResult("a"))
    versions.raise_version(GAMES)
    assert get_response(lambda: ComputedResult("a")).headers["ETag"] == first.headers["ETag"]
    versions.raise_version(GAMES)
    assert get_response(lambda: ComputedResult("b")).headers["ETag"] != first.headers["ETag"]


def test_a_matching_etag_is_a_304_with_its_headers(version):
    etag = get_response(Counter()).headers["ETag"]
    response = get_response(Counter(), **{"If-None-Match": etag})
    assert (response.status_code, response.content) == (304, b"")
    assert response.headers["ETag"] == etag


def long_response() -> ComputedResult:
    return ComputedResult({"games": list(range(1_000))})


@pytest.mark.parametrize("outcome", ["MISS", "HIT", "BYPASS"])
def test_django_sends_the_gzip_too_whatever_the_outcome(outcome):
    if outcome != "BYPASS":
        versions.raise_version(GAMES)
    if outcome == "HIT":
        get_response(long_response)
    response = get_response(long_response, **{"Accept-Encoding": "br, gzip"})
    assert (response["X-Cache"], response["Content-Encoding"]) == (outcome, "gzip")
    assert json.loads(gzip.decompress(response.content)) == {"games": list(range(1_000))}
    assert len(response.content) < len(get_response(long_response).content) / 2
    assert response["ETag"] == get_response(long_response)["ETag"]


@pytest.mark.parametrize("accepted", ["", "br", "gzip;q=0", "gzip; q=0.000, br", "x-gzipped"])
def test_a_client_that_does_not_accept_gzip_gets_none(version, accepted):
    response = get_response(long_response, **{"Accept-Encoding": accepted})
    assert "Content-Encoding" not in response
    assert json.loads(response.content) == {"games": list(range(1_000))}


def test_a_short_response_and_a_304_have_no_content_encoding(version):
    short = get_response(Counter(), **{"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in short
    etag = get_response(long_response, parameters=(("page", 2),))["ETag"]
    same = get_response(long_response, parameters=(("page", 2),), **{"Accept-Encoding": "gzip", "If-None-Match": etag})
    assert (same.status_code, same.content, "Content-Encoding" in same) == (304, b"", False)


@pytest.mark.parametrize("fault", ["stop", "pause"])
def test_without_redis_the_response_is_computed_every_time(version, valkey, fault):
    compute = Counter()
    getattr(valkey, fault)()
    assert [get_response(compute).headers["X-Cache"] for _ in range(3)] == ["BYPASS"] * 3
    assert compute.calls == 3


def test_get_or_compute_returns_what_the_response_contains(version):
    """Pages of the same process call it without a request."""
    compute = Counter()
    result = get_or_compute(POLICY, [("page", 1), ("tz", "UTC")], compute)
    found = (result.outcome, result.stored.body, result.cached_url.key(version))
    assert found == ("MISS", b'{"calls":1}', stored_keys()[0])
    response = get_response(compute)
    assert (response.headers["X-Cache"], response.content, compute.calls) == ("HIT", result.stored.body, 1)


def test_a_response_with_no_lifetime_is_not_for_proxies_either(version):
    response = get_response(Counter(fresh_ms=0))
    assert (response.headers["X-Cache"], response.headers["Cache-Control"]) == ("BYPASS", "no-cache")
    assert caching.cached_urls == {}


# Before computing --------------------------------------------------------------------------------------------------


class Refused(Exception):
    pass


def refuse() -> None:
    raise Refused


def test_a_refused_caller_computes_and_stores_nothing(version):
    compute = Counter()
    with pytest.raises(Refused):
        get_or_compute(POLICY, [("page", 1)], compute, refuse)
    assert (compute.calls, stored_keys()) == (0, [])
    assert get_or_compute(POLICY, [("page", 1)], compute).outcome == "MISS"  # at once: no lease is left behind


def test_a_refused_caller_still_gets_a_stored_response(version):
    get_or_compute(POLICY, [("page", 1)], Counter())
    assert get_or_compute(POLICY, [("page", 1)], Counter(), refuse).outcome == "HIT"


def test_without_the_cache_every_caller_is_checked():
    compute = Counter()
    with pytest.raises(Refused):
        get_or_compute(POLICY, [("page", 1)], compute, refuse)
    assert compute.calls == 0


def test_before_computing_is_called_once_and_only_before_computing(version):
    calls_before = []

    def cached_with(compute, **headers):
        http_request = RequestFactory().get("/x/", headers=headers)
        http_request.before_computing = lambda: calls_before.append(compute.calls)
        response = cached_response(http_request, POLICY, [("page", 1)], compute)
        assert not hasattr(http_request, "before_computing")
        return response

    compute = Counter()
    assert cached_with(compute).headers["X-Cache"] == "MISS"
    etag = cached_with(compute).headers["ETag"]
    assert cached_with(compute, **{"If-None-Match": etag}).status_code == 304
    assert (calls_before, compute.calls) == ([0], 1)


@pytest.mark.parametrize("page", range(5))
def test_a_refused_caller_does_not_fail_the_callers_waiting_for_it(version, page):
    """Six callers miss at the same moment; all but one are above their limit, and that one may come last."""
    compute = Counter()

    def outcome_of(caller: int) -> str:
        def before_computing() -> None:
            with connections.guarded_client("cache") as client:
                for _ in range(50):  # time for the others to find the lease held, and to wait
                    client.ping()
            if caller:
                raise Refused

        try:
            return get_or_compute(POLICY, [("page", page)], compute, before_computing).outcome
        except Refused:
            return "refused"

    get_or_compute(POLICY, [("page", "connected")], compute)
    with ThreadPoolExecutor(6) as pool, connections.guarded_client("cache") as client:
        client.execute_command("CLIENT", "PAUSE", 50, "ALL")  # milliseconds; then all get their replies at once
        outcomes = list(pool.map(outcome_of, reversed(range(6))))
    assert outcomes[-1] in ("MISS", "HIT")
    assert set(outcomes[:-1]) <= {"refused", "MISS", "HIT"}  # later callers get the stored response
    assert compute.calls == 2
