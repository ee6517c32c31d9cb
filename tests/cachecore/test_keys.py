import re

import pytest

from cachecore.keys import Family, canonical_parameters, registry


def test_a_key_reads_as_its_family_prints_it():
    key = registry["games-list"].key(parameters="page:1:per_page:10:tz:America/New_York", version=7)
    assert key == "games:list:page:1:per_page:10:tz:America/New_York:7"


def test_a_superfluous_part_is_refused():
    with pytest.raises(ValueError, match="family games-list has no part page"):
        registry["games-list"].key(parameters="", version=1, page=2)


def test_a_missing_part_is_refused():
    with pytest.raises(KeyError, match="version"):
        registry["games-list"].key(parameters="")


def test_a_family_without_ttl_must_say_what_bounds_it():
    with pytest.raises(ValueError, match="family endless has no TTL: say what bounds it"):
        Family(
            name="endless",
            pattern="x:{id}",
            role="cache",
            type="string",
            ttl_seconds=None,
            holds="",
            written_by="",
            purged_by="",
        )
    assert "endless" not in registry


def test_no_family_is_the_beginning_of_another():
    prefixes = [family.prefix for family in registry.values() if family.role == "cache"]
    assert not [(a, b) for a in prefixes for b in prefixes if a != b and b.startswith(a)]


def test_parameters_keep_their_order():
    assert canonical_parameters([("min", "10"), ("interval", 10), ("tz", "UTC")]) == "min:10:interval:10:tz:UTC"


def test_long_parameters_are_hashed_and_differ_as_they_do():
    one, other = (canonical_parameters([("min", ",".join(map(str, range(2, n))))]) for n in (100, 101))
    assert re.fullmatch(r"blake2:[0-9a-f]{32}", one)
    assert one != other
