"""Families and their keys."""

import re

import pytest

from cachecore.checks import overlapping
from cachecore.keys import CacheOptions, Family, canonical_parameters, registry
from tests.processes import run_python


def test_a_key_is_formatted_by_the_pattern_of_its_family():
    key = registry["games-list"].key(parameters="page:1:per_page:10:tz:America/New_York", version=7)
    assert key == "games:list:page:1:per_page:10:tz:America/New_York:7"


def test_an_unknown_part_raises():
    with pytest.raises(ValueError, match="A key of family games-list has no part page"):
        registry["games-list"].key(parameters="", version=1, page=2)


def test_a_missing_part_raises():
    with pytest.raises(ValueError, match="A key of family games-list requires the part version"):
        registry["games-list"].key(parameters="")


def test_a_family_without_ttl_needs_a_bound():
    with pytest.raises(ValueError, match="Family endless has no TTL: bounded_by must say what bounds it"):
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


def test_a_pattern_that_begins_with_a_part_raises():
    """Clearing such a family would clear the whole server."""
    with pytest.raises(ValueError, match="The pattern of family homeless must begin with a text"):
        declare("homeless", "{kind}:item:{id}")
    assert "homeless" not in registry


def test_two_different_families_with_one_name_raise():
    first = declare("twice", "twice:{id}")
    assert declare("twice", "twice:{id}") == first  # a module that is imported again
    with pytest.raises(ValueError, match="There are two different families with the name twice"):
        declare("twice", "twice-more:{id}")
    assert registry["twice"] is first


def test_an_unknown_tier_raises():
    with pytest.raises(ValueError, match="tier must be one of list, list-long, payment, "):
        CacheOptions(tier="lst")


def declare(name, pattern, role="cache"):
    return Family(
        name=name,
        pattern=pattern,
        role=role,
        type="string",
        ttl_seconds=60,
        holds="",
        written_by="",
        purged_by="",
    )


def test_families_whose_clearing_would_delete_each_others_keys_are_found():
    user, posts, lone = (
        declare("o-user", "o-user:{id}"),
        declare("o-posts", "o-user:{id}:posts"),
        declare("o-u", "o-u:{id}"),
    )
    kept = declare("o-kept", "o-u:sessions", role="state")
    assert list(overlapping([user, posts, lone])) == [(posts, user), (user, posts)]  # clearing either deletes the other
    assert list(overlapping([lone, kept])) == [(kept, lone)]  # one server may serve both roles
    assert list(overlapping([kept])) == []


def test_the_project_has_no_such_families():
    """Checked in another process, because the tests declare families too."""
    code = (
        "import django; django.setup()\n"
        "from django.core.checks import run_checks\n"
        "print([m.msg for m in run_checks() if m.id == 'cachecore.E005'])\n"
        "from cachecore.keys import registry; print('games-list' in registry)"
    )
    process = run_python("-c", code)
    assert (process.stdout, process.returncode) == ("[]\nTrue\n", 0)


def test_parameters_keep_their_order():
    assert canonical_parameters([("min", "10"), ("interval", 10), ("tz", "UTC")]) == "min:10:interval:10:tz:UTC"


def test_long_parameters_are_hashed_to_different_keys():
    one, other = (canonical_parameters([("min", ",".join(map(str, range(2, n))))]) for n in (100, 101))
    assert re.fullmatch(r"blake2:[0-9a-f]{32}", one)
    assert one != other
