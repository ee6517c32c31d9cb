"""Small faults that users of caching libraries reported elsewhere, each by the class of inputs that it stands for."""

import asyncio
from collections import OrderedDict
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import SynchronousOnlyOperation
from django.utils.functional import SimpleLazyObject

from cachecore.keys import Family, registry
from cachecore.service import NOT_FOUND, Cache
from cachecore.storage.envelope import MAX_VALUE_BYTES, ExpiringValue, ValueTooLarge
from cachecore.tiers import DAY
from tests.cachecore.test_envelope import family

PLAIN = family("reported-plain")
TWO_PARTS = replace(PLAIN, name="reported-two-parts", pattern="reported-two:{a}:{id}")
JSON = family("reported-json", encoding="json")
GLOBS = [
    replace(PLAIN, name=f"reported-glob-{number}", pattern=f"reported{number}{literal}:{{id}}")
    for number, literal in enumerate(["*", "?", "[", "]", "[a]", "[]]", "[^a]", "\\", "\\*", "^", "a-[z", "{{}}"])
]
KEY = PLAIN.key(id=1)


# Keys: parts of different types are different


@pytest.mark.parametrize("part", [None, True, False, b"a", b""])
@pytest.mark.parametrize("key_of", [lambda part: PLAIN.key(id=part), lambda part: TWO_PARTS.key(a="x", id=part)])
def test_a_part_that_is_not_a_text_makes_another_key_than_its_text(key_of, part):
    assert key_of(part) != key_of(str(part))
    assert key_of(part) == key_of(part)


def test_an_integer_and_its_text_are_one_part_because_urls_have_texts_only():
    assert PLAIN.key(id=7) == PLAIN.key(id="7")


# Clearing: every character of a pattern is literal


@pytest.mark.parametrize("kind", GLOBS, ids=lambda kind: kind.pattern)
def test_a_family_whose_pattern_has_glob_characters_is_cleared_and_no_other(cache, kind):
    witness = PLAIN.key(id=1)
    cache.set_many({kind.key(id=1): 1, kind.key(id=2): 2, witness: 3})
    assert cache.clear(kind) == 2
    assert cache.get_many([kind.key(id=1), kind.key(id=2), witness]) == {witness: 3}


# TTLs


@pytest.mark.parametrize("ttl", [5, 5.0, Decimal(5), Fraction(5)], ids=repr)
def test_a_ttl_may_be_of_any_number_type(cache, ttl):
    assert cache.remember(KEY, ttl, lambda: "value") == "value"
    assert Cache().get(KEY) == "value"
    assert cache.set(KEY, "other", ttl) is True
    assert cache.remember(PLAIN.key(id=2), None, lambda: ExpiringValue("limited", ttl)) == "limited"
    assert Cache().get(PLAIN.key(id=2)) == "limited"


@pytest.mark.parametrize("ttl", [timedelta(seconds=5), [5], object()], ids=lambda ttl: type(ttl).__name__)
def test_a_ttl_that_is_no_number_raises_before_the_factory_runs(cache, ttl):
    calls = []
    with pytest.raises(TypeError, match="A TTL must be a number of seconds, a tier's name or None, not "):
        cache.remember(KEY, ttl, lambda: calls.append(1))
    assert calls == []


@pytest.mark.parametrize("ttl", [0, -1, Decimal("-1"), float("nan"), float("inf"), True, Decimal("NaN")], ids=repr)
def test_a_ttl_out_of_bounds_raises_before_the_factory_runs(cache, ttl):
    calls = []
    with pytest.raises(ValueError, match=r"A TTL must be 0\.001 to 604800 s, not "):
        cache.remember(KEY, ttl, lambda: calls.append(1))
    assert calls == []


@pytest.mark.parametrize(
    ("role", "seconds", "most"),
    [
        (role, seconds, most)
        for role, most in (("cache", 8 * DAY), ("state", 30 * DAY))
        for seconds in (0, -1, most + 1)
    ],
)
def test_a_family_with_a_ttl_out_of_bounds_raises(role, seconds, most):
    with pytest.raises(ValueError, match=f"ttl_seconds of family reported-ttl must be 1 to {most} s, not {seconds}"):
        Family(
            name="reported-ttl",
            pattern="reported-ttl:{id}",
            role=role,
            type="string",
            ttl_seconds=seconds,
            holds="",
            written_by="",
            purged_by="",
        )
    assert "reported-ttl" not in registry


# Values


def nested(depth):
    value = "innermost"
    for _ in range(depth):
        value = [value]
    return value


def called_at_depth(depth, function):
    return function() if depth == 0 else called_at_depth(depth - 1, function)


@pytest.mark.parametrize("kind", [PLAIN, JSON], ids=["msgpack", "json"])
def test_a_deep_value_that_was_stored_can_be_read_from_a_deep_stack(cache, kind):
    key = kind.key(id=1)
    cache.set(key, nested(400))
    value = called_at_depth(500, lambda: Cache().get(key))
    for _ in range(400):
        (value,) = value
    assert value == "innermost"


def test_a_value_too_deep_to_be_encoded_raises_a_type_error(cache):
    with pytest.raises(TypeError, match="Family reported-plain: maximum recursion depth exceeded"):
        cache.set(KEY, nested(100_000))


@pytest.mark.parametrize("value", ["text", 7, {"a": [1]}, [None, 1.5]], ids=repr)
def test_a_lazy_object_is_stored_as_the_object_that_it_stands_for(cache, value):
    evaluated = SimpleLazyObject(lambda: value)
    str(evaluated)
    assert cache.remember(KEY, None, lambda: [SimpleLazyObject(lambda: value), evaluated]) == [value, value]


def test_a_lazy_model_instance_raises_as_the_instance_does(cache):
    message = "Family reported-plain: A User cannot be stored; store a dictionary of the fields that are shown."
    for user in (User(username="one"), SimpleLazyObject(lambda: User(username="one"))):
        with pytest.raises(TypeError, match=message):
            cache.set(KEY, user)


@pytest.mark.parametrize("value", [{1: "a", "1": "b"}, [{"x": OrderedDict([("1.5", 1), (1.5, 2)])}]], ids=repr)
def test_keys_that_are_one_key_in_json_raise(cache, value):
    with pytest.raises(TypeError, match="Family reported-json: Two keys of a mapping are the same in JSON: '1"):
        cache.set(JSON.key(id=1), value)
    assert not cache.exists(JSON.key(id=1))


def test_keys_of_different_types_are_different_in_msgpack(cache):
    cache.set(KEY, {1: "a", "1": "b"})
    assert Cache().get(KEY) == {1: "a", "1": "b"}


# Counters and refused values


@pytest.mark.parametrize("count", [2**53 + 1, 2**63 - 1, -(2**53) - 1, -(2**63)])
def test_a_counter_is_exact_in_the_whole_range_of_redis(cache, count):
    assert cache.increment(KEY, count) == count
    assert Cache().get(KEY) == count


def test_a_refused_set_deletes_the_values_that_it_was_to_replace(cache):
    other = PLAIN.key(id=2)
    cache.set_many({KEY: "old", other: "old"})
    with pytest.raises(ValueTooLarge):
        cache.set_many({other: "new", KEY: "x" * (MAX_VALUE_BYTES + 1)})
    assert Cache().get_many([KEY, other]) == {}


@pytest.mark.parametrize("stored", [5, "text", NOT_FOUND], ids=repr)
def test_incrementing_a_value_that_is_no_counter_says_what_to_do(cache, stored):
    cache.set(KEY, stored)
    with pytest.raises(ValueError, match=r"reported-plain:1 cannot be incremented by 1: .* must be deleted first\."):
        cache.increment(KEY)
    assert Cache().get(KEY) == stored


@pytest.mark.parametrize("amount", [2**63, 1.5], ids=repr)
def test_an_amount_that_is_no_integer_of_64_bits_raises(cache, amount):
    with pytest.raises(ValueError, match="reported-plain:1 cannot be incremented by"):
        cache.increment(KEY, amount)
    assert not cache.exists(KEY)


# Event loops

WRITES = {
    "set": lambda cache: cache.set(KEY, 1),
    "set_many": lambda cache: cache.set_many({KEY: 1}),
    "write_through": lambda cache: cache.write_through(KEY, 1, lambda: None),
    "delete": lambda cache: cache.delete(KEY),
    "delete_many": lambda cache: cache.delete_many([KEY]),
    "increment": lambda cache: cache.increment(PLAIN.key(id=2)),
    "invalidate_tag": lambda cache: cache.invalidate_tag("a"),
    "invalidate_tags": lambda cache: cache.invalidate_tags(["a"]),
    "clear": lambda cache: cache.clear(PLAIN),
}


@pytest.mark.parametrize("call", WRITES)
def test_a_blocking_write_in_an_event_loop_raises_and_changes_nothing(cache, call):
    cache.set(KEY, "kept", tags=["a"])

    async def write():
        WRITES[call](cache)

    with pytest.raises(SynchronousOnlyOperation, match="use AsyncCache, or sync_to_async"):
        asyncio.run(write())
    assert Cache().get_many([KEY, PLAIN.key(id=2)]) == {KEY: "kept"}
