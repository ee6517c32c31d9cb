import re
import subprocess
import sys

import pytest

from cachecore.checks import overlapping
from cachecore.keys import CacheOptions, Family, canonical_parameters, registry


def test_a_key_reads_as_its_family_prints_it():
    key = registry["games-list"].key(parameters="page:1:per_page:10:tz:America/New_York", version=7)
    assert key == "games:list:page:1:per_page:10:tz:America/New_York:7"


def test_a_superfluous_part_is_refused():
    with pytest.raises(ValueError, match="A key of family games-list has no part page"):
        registry["games-list"].key(parameters="", version=1, page=2)


def test_a_missing_part_is_refused():
    with pytest.raises(ValueError, match="A key of family games-list requires the part version"):
        registry["games-list"].key(parameters="")


def test_a_family_without_ttl_must_say_what_bounds_it():
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


def test_a_pattern_that_begins_with_a_part_is_refused():
    """Clearing it would clear whatever is on the server."""
    with pytest.raises(ValueError, match="The pattern of family homeless must begin with a text"):
        declared("homeless", "{kind}:item:{id}")
    assert "homeless" not in registry


def test_two_families_of_one_name_are_refused():
    first = declared("twice", "twice:{id}")
    assert declared("twice", "twice:{id}") == first  # a module that is imported again
    with pytest.raises(ValueError, match="There are two different families with the name twice"):
        declared("twice", "twice-more:{id}")
    assert registry["twice"] is first


def test_a_tier_that_does_not_exist_is_refused_at_once():
    with pytest.raises(ValueError, match="tier must be one of list, list-long, payment, "):
        CacheOptions(tier="lst")


def declared(name, pattern, role="cache"):
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


def test_families_that_would_delete_one_another_are_told():
    user, posts, lone = (
        declared("o-user", "o-user:{id}"),
        declared("o-posts", "o-user:{id}:posts"),
        declared("o-u", "o-u:{id}"),
    )
    kept = declared("o-kept", "o-u:sessions", role="state")
    assert list(overlapping([user, posts, lone])) == [(posts, user), (user, posts)]  # either deletes the other
    assert list(overlapping([lone, kept])) == [(kept, lone)]  # one server may serve both roles
    assert list(overlapping([kept])) == []


def test_the_project_has_no_such_families():
    """In a process of its own: the tests declare families too."""
    code = (
        "import django; django.setup()\n"
        "from django.core.checks import run_checks\n"
        "print([m.msg for m in run_checks() if m.id == 'cachecore.E005'])\n"
        "from cachecore.keys import registry; print('games-list' in registry)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.returncode) == ("[]\nTrue\n", 0)


def test_parameters_keep_their_order():
    assert canonical_parameters([("min", "10"), ("interval", 10), ("tz", "UTC")]) == "min:10:interval:10:tz:UTC"


def test_long_parameters_are_hashed_and_differ_as_they_do():
    one, other = (canonical_parameters([("min", ",".join(map(str, range(2, n))))]) for n in (100, 101))
    assert re.fullmatch(r"blake2:[0-9a-f]{32}", one)
    assert one != other
