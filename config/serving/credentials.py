"""Authenticate a request from its headers alone, before its body is read."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from http.cookies import CookieError, SimpleCookie
from importlib import import_module

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.db import Error, close_old_connections

from cachecore.asgi import Scope
from cachecore.redis_client.errors import RedisUnavailable
from tokens import services

SCHEME = "token "
# Each thread has a database connection of its own.
_threads = ThreadPoolExecutor(2, thread_name_prefix="credentials")


async def is_authenticated(scope: Scope) -> bool:
    """Return True if the headers contain an access token or the session of a user.

    False decides nothing but the body: Django authenticates the request again and responds.
    """
    headers = dict(scope["headers"])
    authorization = headers.get(b"authorization", b"").decode("latin-1")
    session = _session_key(headers.get(b"cookie", b"").decode("latin-1"))
    if not authorization and not session:
        return False
    return await asyncio.get_running_loop().run_in_executor(_threads, _authenticate_in_thread, authorization, session)


def _authenticate_in_thread(authorization: str, session: str) -> bool:
    """Authenticate on this thread's own database connection."""
    close_old_connections()
    try:
        return _authenticate(authorization, session)
    except (Error, RedisUnavailable):  # Django meets the same error, logs it and responds
        return False
    finally:
        close_old_connections()


def _authenticate(authorization: str, session: str) -> bool:
    return _has_token(authorization) or _has_user(session)


def _has_token(authorization: str) -> bool:
    if not authorization.lower().startswith(SCHEME):
        return False
    token = services.find(authorization[len(SCHEME) :].strip())
    return token is not None and token.user.is_active


def _has_user(session: str) -> bool:
    store = import_module(settings.SESSION_ENGINE).SessionStore
    return bool(session) and SESSION_KEY in store(session)


def _session_key(cookies: str) -> str:
    try:
        found = SimpleCookie(cookies).get(settings.SESSION_COOKIE_NAME)
    except CookieError:
        return ""
    return found.value if found else ""
