"""The environment: an invalid value is reported in one line that names the variable, before anything starts."""

import subprocess

import pytest

from tests.processes import run_manage_alone


def run_with_settings(tmp_path, code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run code that uses `settings`, with these variables and none of the test run's own."""
    script = f"from django.conf import settings; {code}"
    return run_manage_alone("shell", "--no-imports", "-c", script, DATA_DIR=str(tmp_path), **environment)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("REPLAY_SPEED", "abc", "REPLAY_SPEED: 'abc' is not a number above 0."),
        ("REPLAY_SPEED", "0", "REPLAY_SPEED: '0' is not a number above 0."),
        ("REDIS_TIMEOUT_SECONDS", "inf", "REDIS_TIMEOUT_SECONDS: 'inf' is not a number above 0."),
        ("NUM_PROXIES", "-1", "NUM_PROXIES: '-1' is not a whole number of at least 0."),
        ("WSGI_THREADS", "0", "WSGI_THREADS: '0' is not a whole number of at least 1."),
        ("ANALYTICS_LEDGER_GAMES", "-5", "ANALYTICS_LEDGER_GAMES: '-5' is not a whole number of at least 1."),
        ("ENABLE_REDIS_RATE_LIMITING", "perhaps", "ENABLE_REDIS_RATE_LIMITING: 'perhaps' is not true or false."),
        ("FEED", "nosuch", "FEED: 'nosuch' is not one of replay, bcgame, none."),
        ("LOG_LEVEL", "LOUD", "LOG_LEVEL: 'LOUD' is not one of DEBUG, INFO, WARNING, ERROR, CRITICAL."),
        (
            *("RATE_LIMIT_FAIL_CLOSED", "foo"),
            "RATE_LIMIT_FAIL_CLOSED: 'foo' is not a comma-separated list of "
            "analytics, games, play, ingest, login, login_address.",
        ),
        ("CACHE_TTLS", "games-list", "CACHE_TTLS: 'games-list' is not a comma-separated list of name=number."),
        ("DATABASE_URL", "foo", "DATABASE_URL: not a URL such as postgres://user:password@host:5432/name."),
        ("REDIS_URL", "foo", "REDIS_URL: not a URL that begins with redis://, rediss://, unix://, redis+sentinel://."),
    ],
)
def test_an_invalid_value_is_one_line_that_names_the_variable(tmp_path, name, value, expected):
    result = run_with_settings(tmp_path, "settings.DEBUG", **{name: value})
    assert (result.returncode, result.stderr) == (1, f"Invalid settings: {expected}\n")


def test_the_hosts_of_the_stacks_readiness_check_are_always_allowed(tmp_path):
    result = run_with_settings(tmp_path, "print(settings.ALLOWED_HOSTS)", ALLOWED_HOSTS="crash.example")
    assert result.stdout == "['crash.example', 'localhost', '127.0.0.1', '[::1]']\n"


def test_a_password_may_hold_any_character(tmp_path):
    result = run_with_settings(tmp_path, "print(settings.STATE_URL)", REDIS_PASSWORD="p/a#s@s")
    assert result.stdout == "redis://:p%2Fa%23s%40s@127.0.0.1:6379/0\n"


def test_mappings_of_numbers_are_read(tmp_path):
    result = run_with_settings(
        tmp_path,
        "print(settings.CACHE_TTLS, settings.CACHE_TUNING)",
        CACHE_TTLS="games-list=30, analytics-audit=300",
        CACHE_TUNING="games-list=0.9",
    )
    assert result.stdout == "{'games-list': 30, 'analytics-audit': 300} {'games-list': 0.9}\n"
