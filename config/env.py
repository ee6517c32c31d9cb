"""Read environment variables. No other module does. `.env.example` lists all variables.

An invalid value raises ImproperlyConfigured with the variable's name when the process starts; no default replaces it.
"""

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote
from warnings import catch_warnings

import environ
from django.core.exceptions import ImproperlyConfigured

BASE_DIR = Path(__file__).resolve().parent.parent

env = environ.Env()
environ.Env.read_env(BASE_DIR / ".env")  # a missing file is allowed; real variables take precedence

FLAGS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
REDIS_SCHEMES = ("redis://", "rediss://", "unix://", "redis+sentinel://")

T = TypeVar("T")


def integer(name: str, default: int, *, minimum: int = 0) -> int:
    """Return a whole number of at least `minimum`. Raises ImproperlyConfigured, like every reader here."""
    return _read(name, default, int, lambda value: value >= minimum, f"a whole number of at least {minimum}")


def positive_number(name: str, default: float, *, allow_zero: bool = False) -> float:
    """Return a finite number above 0, or also 0 with `allow_zero`."""

    def is_valid(value: float) -> bool:
        return 0 < value < float("inf") or (allow_zero and value == 0)

    return _read(name, default, float, is_valid, "a number above 0" + (", or 0" if allow_zero else ""))


def boolean(name: str, default: bool) -> bool:
    """Return a flag. The accepted texts are in FLAGS."""
    return _read(name, default, lambda text: FLAGS[text.lower()], lambda value: True, "true or false")


def choice(name: str, default: str, choices: Collection[str]) -> str:
    """Return one of the choices."""
    return _read(name, default, str, lambda value: value in choices, f"one of {', '.join(choices)}")


def subset(name: str, default: Collection[str], choices: Collection[str]) -> frozenset[str]:
    """Return the choices in a comma-separated list, which may be empty."""
    expected = f"a comma-separated list of {', '.join(choices)}"
    return frozenset(_read(name, default, _split_names, lambda value: set(value) <= set(choices), expected))


def number_mapping(name: str, parse: Callable[[str], T]) -> dict[str, T]:
    """Return the mapping in a comma-separated list of `name=number`."""
    expected = "a comma-separated list of name=number"
    return _read(name, {}, lambda text: {key: parse(value) for key, value in _split_pairs(text)}, bool, expected)


def _read(name: str, default: T, parse: Callable[[str], T], is_valid: Callable[[T], bool], expected: str) -> T:
    text = env.str(name, default="").strip()
    if not text:
        return default
    try:
        value = parse(text)
    except (ValueError, KeyError):
        value = None
    if value is None or not is_valid(value):
        raise ImproperlyConfigured(f"{name}: {text!r} is not {expected}.")
    return value


def _split_pairs(text: str) -> list[tuple[str, str]]:
    """Return the pairs of `key=value`, separated by commas. Raises ValueError."""
    return [(key.strip(), value) for pair in text.split(",") for key, value in [pair.split("=")]]


def _split_names(text: str) -> Collection[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


DATA_DIR = Path(env.str("DATA_DIR", default="var"))
if not DATA_DIR.is_absolute():
    DATA_DIR = BASE_DIR / DATA_DIR


def database(default: str) -> dict[str, Any]:
    """Return DATABASE_URL as an entry of Django's DATABASES. With an empty default the variable is required."""
    try:
        with catch_warnings(action="ignore"):  # environ also warns of the values that are rejected below
            settings: dict[str, Any] = env.db_url("DATABASE_URL", default=default or environ.Env.NOTSET)
    except ValueError as error:
        raise ImproperlyConfigured("DATABASE_URL: not a URL.") from error
    if not settings.get("ENGINE"):
        raise ImproperlyConfigured("DATABASE_URL: not a URL such as postgres://user:password@host:5432/name.")
    return settings


def redis_url(name: str) -> str:
    """Return the URL of a Redis role (`CACHE_URL`, `STATE_URL`, `BROKER_URL`).

    The default is REDIS_URL, and without it a URL made of REDIS_HOST, REDIS_PORT and REDIS_PASSWORD.
    """
    for variable in (name, "REDIS_URL"):
        if url := env.str(variable, default=""):
            if not url.startswith(REDIS_SCHEMES):
                raise ImproperlyConfigured(f"{variable}: not a URL that begins with {', '.join(REDIS_SCHEMES)}.")
            return str(url)
    return _redis_url_of_parts()


def _redis_url_of_parts() -> str:
    host, port = env.str("REDIS_HOST", default="127.0.0.1"), integer("REDIS_PORT", 6379, minimum=1)
    password = quote(env.str("REDIS_PASSWORD", default=""), safe="")
    return f"redis://:{password}@{host}:{port}/0" if password else f"redis://{host}:{port}/0"


def celery_url(url: str) -> str:
    """Return the URL as kombu spells it: `redis+socket://` instead of redis-py's `unix://`."""
    if not url.startswith("unix://"):
        return url
    path, _, query = url.removeprefix("unix://").partition("?")
    return f"redis+socket://{path}" + (f"?{query.replace('db=', 'virtual_host=')}" if query else "")
