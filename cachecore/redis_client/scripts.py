"""Lua scripts by path: `lua/<topic>/<verb_noun>.lua` beside the module that uses them.

A file's header documents its keys, arguments, result and writes. A script is called by EVALSHA and, if the server has
lost it, by EVAL: a restart or a SCRIPT FLUSH costs one extra round trip, never an error.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import redis
from redis.exceptions import NoScriptError

from cachecore.redis_client.fast_commands import execute_once


class Script:
    """One Lua script, read when its module is imported."""

    def __init__(self, path: Path) -> None:
        self._source = path.read_text()
        self._sha = hashlib.sha1(self._source.encode(), usedforsecurity=False).hexdigest()

    def __call__(self, client: redis.Redis, keys: Sequence[str], args: Sequence[str | int | bytes] = ()) -> Any:
        """Run the script. Sending its source again is safe: a script that the server lost did not start."""
        try:
            return client.evalsha(self._sha, len(keys), *keys, *args)
        except NoScriptError:
            return client.eval(self._source, len(keys), *keys, *args)

    def run_once(self, client: redis.Redis, keys: Sequence[str], args: Sequence[str | int | bytes] = ()) -> Any:
        """Run a script that must not run twice: it is not sent again if its reply is lost."""
        try:
            return execute_once(client, "EVALSHA", self._sha, len(keys), *keys, *args)
        except NoScriptError:
            return execute_once(client, "EVAL", self._source, len(keys), *keys, *args)
