"""The TTL of a family: which source wins, what is refused, how an operator's TTL reaches every process."""

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.core.checks import run_checks
from django.urls import reverse

from cachecore.keys import registry
from cachecore.redis_client import connections
from cachecore.service import cache
from cachecore.ttl import effective_ttl
from cachecore.ttl.effective_ttl import TTLS, Lifetime
from config import sentinel
from games.keys import GAMES_LIST  # tier list: 20 s, 5 to 60

OVERVIEW = reverse("admin:cachecore_cache_changelist")
CHANGE = reverse("admin:cachecore_cache_ask", args=["ttl", GAMES_LIST.name])


@pytest.fixture(autouse=True)
def _no_operator_ttls():
    effective_ttl._operator_ttls.reset()
    yield
    effective_ttl._operator_ttls.reset()


@pytest.fixture
def operator(client, db):
    client.force_login(User.objects.create_superuser("root"))
    return client


def shown_messages(response) -> list[str]:
    return [str(message) for message in response.context["messages"]]


def test_admin_precedes_the_setting_and_the_setting_precedes_the_tier(settings):
    assert effective_ttl.lifetime_of(GAMES_LIST) == Lifetime(20, "tier")
    settings.CACHE_TTLS = {GAMES_LIST.name: 30}
    assert effective_ttl.lifetime_of(GAMES_LIST) == Lifetime(30, "setting")
    effective_ttl.set_ttl(GAMES_LIST, 40)
    assert effective_ttl.lifetime_of(GAMES_LIST) == Lifetime(40, "admin")
    effective_ttl.unset_ttl(GAMES_LIST)
    assert effective_ttl.lifetime_of(GAMES_LIST) == Lifetime(30, "setting")


def test_a_family_without_a_tier_has_its_own_ttl():
    family = next(one for one in registry.values() if one.role == "cache" and one.ttl_seconds and not one.options.tier)
    assert effective_ttl.lifetime_of(family) == Lifetime(family.ttl_seconds, "family")


@pytest.mark.parametrize("seconds", [4, 61])
def test_a_ttl_outside_of_the_bounds_of_the_tier_raises(settings, seconds):
    with pytest.raises(ValueError, match=f"The TTL of family games-list must be 5 to 60 s, not {seconds}."):
        effective_ttl.set_ttl(GAMES_LIST, seconds)
    settings.CACHE_TTLS = {GAMES_LIST.name: seconds}
    with pytest.raises(ValueError, match=f"The TTL setting of family games-list must be 5 to 60 s, not {seconds}."):
        effective_ttl.ttl_of(GAMES_LIST)


def test_a_ttl_in_redis_outside_of_the_bounds_is_ignored():
    with connections.guarded_client("state") as client:
        client.hset(TTLS.key(), GAMES_LIST.name, 1_000_000)
    assert effective_ttl.lifetime_of(GAMES_LIST) == Lifetime(20, "tier")


def test_another_process_applies_an_operators_ttl_within_a_second():
    assert effective_ttl.ttl_of(GAMES_LIST) == 20
    with connections.guarded_client("state") as client:  # as another process does
        client.hset(TTLS.key(), GAMES_LIST.name, 50)
    assert effective_ttl.ttl_of(GAMES_LIST) == 20  # read less than a second ago
    effective_ttl._operator_ttls.reset()
    assert effective_ttl.ttl_of(GAMES_LIST) == 50


def test_without_redis_the_last_ttl_applies(valkey):
    effective_ttl.set_ttl(GAMES_LIST, 50)
    valkey.stop()
    effective_ttl._operator_ttls._read_at = float("-inf")
    assert effective_ttl.ttl_of(GAMES_LIST) == 50


def test_an_operator_sets_a_ttl_in_admin_and_removes_it(operator):
    response = operator.post(CHANGE, {"seconds": "50"}, follow=True)
    assert shown_messages(response) == ["Values of games-list stored from now on have a TTL of at most 50 s."]
    assert effective_ttl.lifetime_of(GAMES_LIST) == Lifetime(50, "admin")
    assert "<td>50</td>\n    <td>admin</td>" in operator.get(OVERVIEW).content.decode()
    response = operator.post(CHANGE, {"seconds": ""}, follow=True)
    assert shown_messages(response) == ["The TTL of games-list is taken from the settings."]
    assert effective_ttl.lifetime_of(GAMES_LIST) == Lifetime(20, "tier")
    assert sorted(entry.change_message for entry in LogEntry.objects.all()) == [
        "Reset the TTL of games-list to the settings.",
        "Set the TTL of games-list to 50 s.",
    ]


def test_values_are_stored_with_the_ttl_of_the_operator(operator):
    key = GAMES_LIST.key(parameters="page:1", version=1)
    operator.post(CHANGE, {"seconds": "50"})
    cache.set(key, 1)
    with connections.guarded_client("cache") as client:
        assert 20_000 < client.pttl(key) <= 50_000


@pytest.mark.parametrize("seconds", ["4", "61", "-1", "1.5", "x", "9" * 400])
def test_an_invalid_number_shows_the_form_again_and_changes_nothing(operator, seconds):
    response = operator.post(CHANGE, {"seconds": seconds})
    assert response.status_code == 200
    assert 'class="errorlist"' in response.content.decode()
    assert effective_ttl.lifetime_of(GAMES_LIST) == Lifetime(20, "tier")
    assert not LogEntry.objects.exists()


@pytest.mark.parametrize("name", ["nothing", "analytics-ledger"])
def test_only_families_of_the_cache_have_a_ttl_to_set(operator, name):
    url = reverse("admin:cachecore_cache_ask", args=["ttl", name])
    assert operator.post(url, {"seconds": "50"}).status_code == 404


def test_the_page_works_with_a_setting_out_of_bounds(operator, settings):
    settings.CACHE_TTLS = {GAMES_LIST.name: 1}
    assert "<td>out of bounds</td>" in operator.get(OVERVIEW).content.decode()


def check_messages(check: str) -> list[str]:
    return [message.msg for message in run_checks() if message.id == check]


def test_a_check_reports_invalid_ttls(settings):
    assert check_messages("cachecore.E001") == []
    settings.CACHE_TTLS = {GAMES_LIST.name: 1, "nothing": 60}
    assert check_messages("cachecore.E001") == [
        "CACHE_TTLS: The TTL setting of family games-list must be 5 to 60 s, not 1.",
        'CACHE_TTLS: there is no cached family "nothing".',
    ]


def test_a_check_reports_invalid_targets(settings):
    assert check_messages("cachecore.E002") == []
    settings.CACHE_TUNING = {GAMES_LIST.name: 1, "nothing": 0.5}
    assert check_messages("cachecore.E002") == [
        "CACHE_TUNING: the target of games-list must be above 0 and below 1, not 1.",
        'CACHE_TUNING: there is no cached family "nothing".',
    ]


def test_a_check_reports_invalid_encryption_keys(settings):
    assert check_messages("cachecore.E003") == []
    settings.CACHE_ENCRYPTION_KEYS = ["short"]
    assert check_messages("cachecore.E003") == ["CACHE_ENCRYPTION_KEYS: key number 1 is not a Fernet key."]


def test_a_check_reports_unknown_families_to_switch_off(settings):
    assert check_messages("cachecore.E004") == []
    settings.CACHE_RESPONSES_OFF = [GAMES_LIST.name, "game-list"]
    assert check_messages("cachecore.E004") == ['CACHE_RESPONSES_OFF: there is no cached family "game-list".']


def test_a_check_reports_a_prefix_that_is_ignored(settings):
    assert check_messages("cachecore.W002") == []
    settings.CACHES = {**settings.CACHES, "default": {**settings.CACHES["default"], "KEY_PREFIX": "staging"}}
    assert check_messages("cachecore.W002") == ["CACHES['default'] sets KEY_PREFIX, which the cache service ignores."]


LIMITS = {"SOCKET_TIMEOUT": 0.25, "SOCKET_CONNECT_TIMEOUT": 0.25}


def an_alias(location, **options):
    """Return settings of an alias. Each test uses its own location: django-redis keeps one pool per location."""
    return {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": location, "OPTIONS": options}


def test_a_check_reports_a_redis_without_time_limits(settings):
    assert check_messages("cachecore.W003") == []
    settings.CACHES = {
        "default": an_alias("redis://half/0", SOCKET_TIMEOUT=0.25),
        "state": an_alias("redis://bare/0"),
        "no role's": an_alias("redis://bare/1"),
    }
    assert check_messages("cachecore.W003") == [
        "CACHES['default'] does not set SOCKET_CONNECT_TIMEOUT: a Redis that hangs blocks callers.",
        "CACHES['state'] does not set SOCKET_TIMEOUT and SOCKET_CONNECT_TIMEOUT: a Redis that hangs blocks callers.",
    ]


def test_time_limits_are_found_wherever_django_redis_reads_them(settings):
    pool_options = {name.lower(): seconds for name, seconds in LIMITS.items()}
    settings.CACHES = {
        "default": an_alias("redis://limited/0?socket_timeout=0.25&socket_connect_timeout=0.25"),
        "state": an_alias("redis://limited/1", CONNECTION_POOL_KWARGS=pool_options),
    }
    assert check_messages("cachecore.W003") == []


@pytest.mark.parametrize(("service", "limits"), [("limited", LIMITS), ("unlimited", {})])
def test_a_role_with_sentinels_needs_limits_too(settings, service, limits):
    watched = sentinel.cache_options([("localhost", 26379)], {})
    settings.CACHES = {"default": an_alias(f"redis://{service}/0", **watched, **limits)}
    assert len(check_messages("cachecore.W003")) == (not limits)


def test_a_check_reports_an_unsupported_backend(settings):
    assert check_messages("cachecore.E006") == []
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    assert check_messages("cachecore.E006") == [
        "CACHES['default'] uses django.core.cache.backends.locmem.LocMemCache, which cachecore does not support."
    ]
