"""The environment: what is wrong is said in one line that names the variable, before anything starts."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]


def settings_told(tmp_path, expression: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """`manage.py` with these variables, and no others of ours."""
    ours = ("DATABASE_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE")
    inherited = {name: value for name, value in os.environ.items() if name not in ours}
    return subprocess.run(
        [sys.executable, "manage.py", "shell", "--no-imports", "-c", f"from django.conf import settings; {expression}"],
        cwd=PROJECT,
        env={**inherited, "DATA_DIR": str(tmp_path), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


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
            "RATE_LIMIT_FAIL_CLOSED: 'foo' is not made of analytics, games, play, ingest, login, login_address, "
            "with commas between.",
        ),
        ("CACHE_TTLS", "games-list", "CACHE_TTLS: 'games-list' is not made of name=number, with commas between."),
        ("DATABASE_URL", "foo", "DATABASE_URL: not a URL such as postgres://user:password@host:5432/name."),
        ("REDIS_URL", "foo", "REDIS_URL: not a URL that begins with redis://, rediss://, unix://, redis+sentinel://."),
    ],
)
def test_a_wrong_value_is_one_line_that_names_the_variable(tmp_path, name, value, expected):
    told = settings_told(tmp_path, "settings.DEBUG", **{name: value})
    assert (told.returncode, told.stderr) == (1, f"Wrong settings: {expected}\n")


def test_the_stacks_own_question_is_always_allowed(tmp_path):
    told = settings_told(tmp_path, "print(settings.ALLOWED_HOSTS)", ALLOWED_HOSTS="crash.example")
    assert told.stdout == "['crash.example', 'localhost', '127.0.0.1', '[::1]']\n"


def test_a_password_may_hold_any_character(tmp_path):
    told = settings_told(tmp_path, "print(settings.STATE_URL)", REDIS_PASSWORD="p/a#s@s")
    assert told.stdout == "redis://:p%2Fa%23s%40s@127.0.0.1:6379/0\n"


def test_numbers_by_name_are_read(tmp_path):
    told = settings_told(
        tmp_path,
        "print(settings.CACHE_TTLS, settings.CACHE_TUNING)",
        CACHE_TTLS="games-list=30, analytics-audit=300",
        CACHE_TUNING="games-list=0.9",
    )
    assert told.stdout == "{'games-list': 30, 'analytics-audit': 300} {'games-list': 0.9}\n"
