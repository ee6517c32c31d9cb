"""The one reader of the environment. Every variable the project knows is listed in `.env.example`."""

from pathlib import Path

import environ

BASE_DIR = Path(__file__).resolve().parent.parent

env = environ.Env()
environ.Env.read_env(BASE_DIR / ".env")  # a missing file is fine; real variables win over it

DATA_DIR = Path(env.str("DATA_DIR", default="var"))
if not DATA_DIR.is_absolute():
    DATA_DIR = BASE_DIR / DATA_DIR


def redis_url(name: str) -> str:
    """The URL of one Redis role (`CACHE_URL`, `STATE_URL`, `BROKER_URL`); each defaults to REDIS_URL,
    and that to REDIS_HOST, REDIS_PORT and REDIS_PASSWORD."""
    return env.str(name, default="") or env.str("REDIS_URL", default="") or _redis_url_of_parts()


def _redis_url_of_parts() -> str:
    host, port = env.str("REDIS_HOST", default="127.0.0.1"), env.int("REDIS_PORT", default=6379)
    password = env.str("REDIS_PASSWORD", default="")
    return f"redis://:{password}@{host}:{port}/0" if password else f"redis://{host}:{port}/0"


def celery_url(url: str) -> str:
    """The same server as kombu spells it: it wants `redis+socket://` where redis-py says `unix://`."""
    if not url.startswith("unix://"):
        return url
    path, _, query = url.removeprefix("unix://").partition("?")
    return f"redis+socket://{path}" + (f"?{query.replace('db=', 'virtual_host=')}" if query else "")
