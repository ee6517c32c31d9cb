"""Warming by hand: compute what is not there, before anybody asks."""

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from cachecore.keys import Key

logger = logging.getLogger(__name__)


class WarmupEntry(NamedTuple):
    """What is computed when it is not there. `ttl` as in `remember`."""

    key: Key
    factory: Callable[[], Any]
    ttl: float | str | None = None
    tags: Sequence[str] = ()


class WarmupReport(NamedTuple):
    computed: int
    already: int
    failed: int


def warm_up(remember: Callable[..., Any], entries: Iterable[WarmupEntry]) -> WarmupReport:
    counts = {"computed": 0, "already": 0, "failed": 0}
    for entry in entries:
        counts[_warm_one(remember, entry)] += 1
    return WarmupReport(**counts)


def _warm_one(remember: Callable[..., Any], entry: WarmupEntry) -> str:
    computed = False

    def factory() -> Any:
        nonlocal computed
        computed = True
        return entry.factory()

    try:
        remember(entry.key, entry.ttl, factory, tags=entry.tags)
    except Exception:
        logger.exception("warming %s failed", entry.key)
        return "failed"
    return "computed" if computed else "already"
