"""Lua scripts by path: `lua/<topic>/<verb_noun>.lua` beside the module that uses them.

Each file's header says what it takes, returns and writes. EVALSHA with a fallback to EVAL, so a flushed or
restarted server costs one extra round trip, never an error.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import redis
from redis.exceptions import NoScriptError


class Script:
    def __init__(self, path: Path) -> None:
        self._source = path.read_text()
        self._sha = hashlib.sha1(self._source.encode(), usedforsecurity=False).hexdigest()

    def __call__(self, client: redis.Redis, keys: Sequence[str], args: Sequence[str | int | bytes] = ()) -> Any:
        """Run it. A script that the server lost (restart, SCRIPT FLUSH) is sent again: it had not begun."""
        try:
            return client.evalsha(self._sha, len(keys), *keys, *args)
        except NoScriptError:
            return client.eval(self._source, len(keys), *keys, *args)
