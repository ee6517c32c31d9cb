"""docs/a-read-step-by-step.md names every file that a hit, a miss and an invalidation enter."""

import re
import sys
from pathlib import Path

import pytest

import cachecore
from cachecore.service import Cache
from config.env import BASE_DIR
from tests.cachecore.test_envelope import family

REMOTE = family("steps-remote")
LOCAL = family("steps-local", local=True)
PACKAGE = str(Path(cachecore.__file__).parent)


@pytest.fixture(autouse=True)
def _warmed_up(cache):
    """Run everything once before, so that only what every call does is measured."""
    for kind in (REMOTE, LOCAL):
        cache.remember(kind.key(id="other"), None, dict, tags=["a"])
    cache.invalidate_tag("other")


def files_entered(call) -> set[str]:
    """Return the files of cachecore whose functions `call` enters."""
    entered = set()

    def profile(frame, event, argument):
        if event == "call" and frame.f_code.co_filename.startswith(PACKAGE):
            entered.add(frame.f_code.co_filename.removeprefix(PACKAGE + "/"))

    sys.setprofile(profile)
    try:
        call()
    finally:
        sys.setprofile(None)
    return entered


def read(cache, kind):
    key = kind.key(id=1)
    return files_entered(lambda: cache.remember(key, None, dict, tags=["a"]))


def section(title: str) -> str:
    page = (BASE_DIR / "docs/a-read-step-by-step.md").read_text()
    return re.search(rf"^## {title}\n(.*?)(?=^## )", page, re.MULTILINE | re.DOTALL)[1]


def files_named(title: str) -> set[str]:
    """Return the files in the second column of a section's table of steps."""
    rows = re.findall(r"^\| [0-9-]+ \| (.*?) \|", section(title), re.MULTILINE)
    return {name for row in rows for name in re.findall(r"`(\S+\.py)`", row)}


def test_a_hit_enters_the_files_of_the_table(cache):
    read(cache, REMOTE)
    entered = read(cache, REMOTE)
    assert entered == files_named("A hit")
    assert len(entered) == 21


def test_a_miss_enters_the_files_of_both_tables(cache):
    entered = read(cache, REMOTE)
    assert entered == files_named("A hit") | files_named("A miss")
    assert len(entered) == 30


def test_a_local_hit_enters_eleven_files():
    cache = Cache(local_seconds=60)
    read(cache, LOCAL)
    entered = read(cache, LOCAL)
    assert "storage/local_cache.py" in entered
    assert len(entered) == 11


def test_an_invalidation_enters_the_files_of_the_table(cache):
    assert files_entered(lambda: cache.invalidate_tag("a")) == files_named("An invalidation")
