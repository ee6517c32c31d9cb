"""Word of changed games, once per transaction whatever it changed.

`games_changed` is sent after the commit with `ids`. Whoever listens re-reads the rows, so an id too many is
harmless and an id too few is not.
"""

import logging
import threading
from collections.abc import Iterable
from typing import Any

from django.db import transaction
from django.db.models.signals import post_delete, post_save
from django.dispatch import Signal, receiver

from cachecore import versions
from cachecore.connections import RoleUnavailable
from games.keys import GAMES
from games.models import Game

logger = logging.getLogger(__name__)

games_changed = Signal()  # sender=Game, ids=tuple[int, ...] in ascending order

_local = threading.local()


def announce(ids: Iterable[int], using: str | None = None) -> None:
    """Tell of these games when the transaction has committed; a rolled back one tells nothing.

    Every call leaves a commit hook and the first hook to run tells everything: hooks of a rolled back savepoint
    are dropped by Django, so no single one could be relied on.
    """
    _waiting(using).update(ids)
    transaction.on_commit(lambda: _tell(using), using=using, robust=True)


def _waiting(using: str | None) -> set[int]:
    by_alias: dict[str | None, set[int]] = _local.__dict__.setdefault("ids", {})
    return by_alias.setdefault(using, set())


def _tell(using: str | None) -> None:
    ids = tuple(sorted(_waiting(using)))
    if not ids:
        return
    _waiting(using).clear()
    try:
        versions.raise_version(GAMES)
    except RoleUnavailable as error:
        # Cached answers live on for their TTL at the most; `reconcile` raises the version when Redis is back.
        logger.warning("games changed, version not raised: %s", error)
    for _, outcome in games_changed.send_robust(sender=Game, ids=ids):
        if isinstance(outcome, Exception):
            logger.error("a listener to games_changed failed: %r", outcome)


@receiver(post_save, sender=Game)
@receiver(post_delete, sender=Game)
def _row_changed(instance: Game, using: str, **kwargs: Any) -> None:
    announce([instance.pk], using)
