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
def test_a_pattern_is_filled_as_it_reads(pattern, prefix, key):
    read = Pattern(pattern, safe=True)
    assert read.prefix == prefix
    assert read.format({name: text for name, text in (("a", 1), ("b", "2")) if name in read.fields}) == key


@pytest.mark.parametrize("pattern", ["{a:04d}", "{a!r}"])
def test_a_field_has_no_format_of_its_own(pattern):
    with pytest.raises(ValueError, match="must be names in braces, without format or conversion"):
        Pattern(pattern, safe=True)


def test_a_missing_part_is_refused():
    with pytest.raises(KeyError, match="b"):
        Pattern("{a}:{b}", safe=True).format({"a": 1})


def test_parts_of_a_pattern_that_is_not_safe_stand_as_they_are():
    assert Pattern("{a}:{b}", safe=False).format({"a": "x y", "b": "c:d"}) == "x y:c:d"


@pytest.mark.parametrize("rule", [part_among_others, only_part, joined_parts])
@pytest.mark.parametrize("part", ["a b", "a\n", "{a}", "*", "ä", "a" * (MAX_PART_LENGTH + 1), "\ud800"])
def test_what_could_be_mistaken_is_hashed(rule, part):
    assert re.fullmatch(HASH, rule(part))


@pytest.mark.parametrize("rule", [part_among_others, only_part, joined_parts])
@pytest.mark.parametrize("part", ["", "a", "A.b_c,d/e@f=g~h+i-j", "a" * MAX_PART_LENGTH, 7, None])
def test_what_is_short_and_plain_stands_as_it_is(rule, part):
    assert rule(part) == str(part)


def test_a_colon_stands_only_where_it_is_unambiguous():
    assert (only_part("a:b"), joined_parts("a:b")) == ("a:b", "a:b")
    assert re.fullmatch(HASH, part_among_others("a:b"))


def test_a_text_that_looks_like_a_hash_is_no_other_parts_hash():
    made = only_part("a b")
    assert only_part(made) != made
    assert part_among_others(made) != made
    assert joined_parts(made) == made  # where canonical_parameters has hashed
