"""The one reader of the environment. Every variable the project knows is listed in `.env.example`.

A value that is wrong is ImproperlyConfigured with the variable's name, at the start: never a default in its place.
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
environ.Env.read_env(BASE_DIR / ".env")  # a missing file is fine; real variables win over it

FLAGS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
REDIS_SCHEMES = ("redis://", "rediss://", "unix://", "redis+sentinel://")

T = TypeVar("T")


def whole(name: str, default: int, *, least: int = 0) -> int:
    return _read(name, default, int, lambda value: value >= least, f"a whole number of at least {least}")


def number(name: str, default: float, *, or_zero: bool = False) -> float:
    def is_right(value: float) -> bool:
        return 0 < value < float("inf") or (or_zero and value == 0)

    return _read(name, default, float, is_right, "a number above 0" + (", or 0" if or_zero else ""))


def flag(name: str, default: bool) -> bool:
    return _read(name, default, lambda text: FLAGS[text.lower()], lambda value: True, "true or false")


def choice(name: str, default: str, choices: Collection[str]) -> str:
    return _read(name, default, str, lambda value: value in choices, f"one of {', '.join(choices)}")


def some_of(name: str, default: Collection[str], choices: Collection[str]) -> frozenset[str]:
    """Names between commas; none of them is fine."""
    return frozenset(_read(name, default, _names, lambda value: set(value) <= set(choices), _among(choices)))


def numbers(name: str, parse: Callable[[str], T]) -> dict[str, T]:
    """`name=number` between commas."""
    expected = "made of name=number, with commas between"
    return _read(name, {}, lambda text: {key: parse(value) for key, value in _pairs(text)}, bool, expected)


def _read(name: str, default: T, parse: Callable[[str], T], is_right: Callable[[T], bool], expected: str) -> T:
    text = env.str(name, default="").strip()
    if not text:
        return default
    try:
        value = parse(text)
    except (ValueError, KeyError):
        value = None
    if value is None or not is_right(value):
        raise ImproperlyConfigured(f"{name}: {text!r} is not {expected}.")
    return value


def _pairs(text: str) -> list[tuple[str, str]]:
    """Raises ValueError."""
    return [(key.strip(), value) for one in text.split(",") for key, value in [one.split("=")]]


def _names(text: str) -> Collection[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _among(choices: Collection[str]) -> str:
    return f"made of {', '.join(choices)}, with commas between"


DATA_DIR = Path(env.str("DATA_DIR", default="var"))
if not DATA_DIR.is_absolute():
    DATA_DIR = BASE_DIR / DATA_DIR


def database(default: str) -> dict[str, Any]:
    """DATABASE_URL as Django has it; without a default (an empty one) it is required."""
    try:
        with catch_warnings(action="ignore"):  # it also warns of what is refused below
            told: dict[str, Any] = env.db_url("DATABASE_URL", default=default or environ.Env.NOTSET)
    except ValueError as error:
        raise ImproperlyConfigured("DATABASE_URL: not a URL.") from error
    if not told.get("ENGINE"):
        raise ImproperlyConfigured("DATABASE_URL: not a URL such as postgres://user:password@host:5432/name.")
    return told


def redis_url(name: str) -> str:
    """The URL of one Redis role (`CACHE_URL`, `STATE_URL`, `BROKER_URL`); each defaults to REDIS_URL,
    and that to REDIS_HOST, REDIS_PORT and REDIS_PASSWORD."""
    for variable in (name, "REDIS_URL"):
        if url := env.str(variable, default=""):
            if not url.startswith(REDIS_SCHEMES):
                raise ImproperlyConfigured(f"{variable}: not a URL that begins with {', '.join(REDIS_SCHEMES)}.")
            return str(url)
    return _redis_url_of_parts()


def _redis_url_of_parts() -> str:
    host, port = env.str("REDIS_HOST", default="127.0.0.1"), whole("REDIS_PORT", 6379, least=1)
    password = quote(env.str("REDIS_PASSWORD", default=""), safe="")
    return f"redis://:{password}@{host}:{port}/0" if password else f"redis://{host}:{port}/0"


def celery_url(url: str) -> str:
    """The same server as kombu spells it: it wants `redis+socket://` where redis-py says `unix://`."""
    if not url.startswith("unix://"):
        return url
    path, _, query = url.removeprefix("unix://").partition("?")
    return f"redis+socket://{path}" + (f"?{query.replace('db=', 'virtual_host=')}" if query else "")
