"""Fixtures of the cache service's tests."""

import pytest

from cachecore.service import Cache


@pytest.fixture
def cache():
    return Cache()


@pytest.fixture
def other_process():
    """A cache as another process has it: its own local cache, and no transaction of this thread."""
    return Cache()
