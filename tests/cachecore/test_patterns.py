"""Patterns of keys: which parts are inserted unchanged, and which as a hash."""

import re

import pytest

from cachecore.patterns import MAX_PART_LENGTH, Pattern, joined_parts, only_part, part_among_others

HASH = r"blake2:[0-9a-f]{32}"


@pytest.mark.parametrize(
    ("pattern", "prefix", "key"),
    [
        ("one:{a}", "one:", "one:1"),
        ("two:{a}:to:{b}", "two:", "two:1:to:2"),
        ("fixed", "fixed", "fixed"),
        ("{{slot}}:{a}", "{slot}:", "{slot}:1"),
        ("{{slot}}:fixed", "{slot}:fixed", "{slot}:fixed"),
        ("100%:{a}", "100%:", "100%:1"),
        ("twice:{a}:{a}", "twice:", "twice:1:1"),
    ],
)
def test_a_pattern_is_formatted_with_its_parts(pattern, prefix, key):
    parsed = Pattern(pattern, safe=True)
    assert parsed.prefix == prefix
    assert parsed.format({name: text for name, text in (("a", 1), ("b", "2")) if name in parsed.fields}) == key


@pytest.mark.parametrize("pattern", ["{a:04d}", "{a!r}"])
def test_a_field_with_format_or_conversion_raises(pattern):
    with pytest.raises(ValueError, match="must be names in braces, without format or conversion"):
        Pattern(pattern, safe=True)


def test_a_missing_part_raises():
    with pytest.raises(KeyError, match="b"):
        Pattern("{a}:{b}", safe=True).format({"a": 1})


def test_a_pattern_that_is_not_safe_inserts_parts_unchanged():
    assert Pattern("{a}:{b}", safe=False).format({"a": "x y", "b": "c:d"}) == "x y:c:d"


@pytest.mark.parametrize("rule", [part_among_others, only_part, joined_parts])
@pytest.mark.parametrize("part", ["a b", "a\n", "{a}", "*", "ä", "a" * (MAX_PART_LENGTH + 1), "\ud800"])
def test_an_ambiguous_part_is_hashed(rule, part):
    assert re.fullmatch(HASH, rule(part))


@pytest.mark.parametrize("rule", [part_among_others, only_part, joined_parts])
@pytest.mark.parametrize("part", ["", "a", "A.b_c,d/e@f=g~h+i-j", "a" * MAX_PART_LENGTH, 7])
def test_a_short_plain_part_is_inserted_unchanged(rule, part):
    assert rule(part) == str(part)


def test_a_colon_is_inserted_only_where_it_is_unambiguous():
    assert (only_part("a:b"), joined_parts("a:b")) == ("a:b", "a:b")
    assert re.fullmatch(HASH, part_among_others("a:b"))


def test_a_text_that_looks_like_a_hash_is_hashed_itself():
    hash_ = only_part("a b")
    assert only_part(hash_) != hash_
    assert part_among_others(hash_) != hash_
    assert joined_parts(hash_) == hash_  # as hashed by canonical_parameters
