"""Word of changed games, once per transaction whatever it changed.

`games_changed` is sent after the commit with `ids`. Whoever listens re-reads the rows, so an id too many is
harmless and an id too few is not.
"""

import logging
from collections.abc import Iterable
from typing import Any

from django.db import transaction
from django.db.models.signals import post_delete, post_save
from django.dispatch import Signal, receiver

from cachecore import versions
from cachecore.redis_client.connections import RedisUnavailable
from games.keys import GAMES
from games.models import Game

logger = logging.getLogger(__name__)

UNLINKED_PER_CALL = 1_000
games_changed = Signal()  # sender=Game, ids=tuple[int, ...] in ascending order


class _Announcement:
    """A commit hook that gathers the ids of one transaction, or of one savepoint in it."""

    def __init__(self, ids: Iterable[int]) -> None:
        self.ids = set(ids)

    def tell(self) -> None:
        try:
            versions.raise_version(GAMES)
        except RedisUnavailable as error:
            # Cached answers live on for their TTL at the most; `reconcile` raises the version when Redis is back.
            logger.warning("games changed, version not raised: %s", error)
        except Exception:  # the rows are committed: whatever it is, the listeners must hear of them
            logger.exception("games changed, version not raised")
        for _, outcome in games_changed.send_robust(sender=Game, ids=tuple(sorted(self.ids))):
            if isinstance(outcome, Exception):
                logger.error("a listener to games_changed failed: %r", outcome)


def announce(ids: Iterable[int], using: str | None = None) -> None:
    """Tell of these games when the transaction has committed; a rolled back one tells nothing."""
    connection = transaction.get_connection(using)
    # Django drops the hooks of a rolled back savepoint, so only a hook of this very savepoint may gather for it.
    here = set(connection.savepoint_ids)
    for savepoints, hook, _ in reversed(connection.run_on_commit):
        announcement = getattr(hook, "__self__", None)
        if isinstance(announcement, _Announcement) and savepoints == here:
            announcement.ids.update(ids)
            return
    transaction.on_commit(_Announcement(ids).tell, using=using, robust=True)


@receiver(post_save, sender=Game)
@receiver(post_delete, sender=Game)
def _row_changed(instance: Game, using: str, **kwargs: Any) -> None:
    announce([instance.pk], using)


@receiver(post_delete, sender=Game)
def _unlink_following(instance: Game, using: str, **kwargs: Any) -> None:
    """What the next game's hash leads to is not there any more: once the deletion has committed, for all of it."""
    connection = transaction.get_connection(using)
    for _, hook, _ in connection.run_on_commit:
        if isinstance(gathered := getattr(hook, "__self__", None), _Unlinking):
            gathered.ids.add(instance.pk)
            return
    transaction.on_commit(_Unlinking(instance.pk, using).act, using=using, robust=True)


class _Unlinking:
    """A commit hook that gathers the games a transaction deletes. One too many, of a savepoint that was rolled back, is
    harmless: its follower's link is derived from what stands."""

    def __init__(self, game_id: int, using: str) -> None:
        self.ids = {game_id}
        self._using = using

    def act(self) -> None:
        ids = sorted(self.ids)
        for start in range(0, len(ids), UNLINKED_PER_CALL):
            gone = set(ids[start : start + UNLINKED_PER_CALL])
            gone -= set(Game.objects.using(self._using).filter(game_id__in=gone).values_list("game_id", flat=True))
            following = Game.objects.using(self._using).filter(game_id__in=[game_id + 1 for game_id in gone])
            linked = list(following.filter(linked__isnull=False).values_list("game_id", flat=True))
            if linked and following.filter(game_id__in=linked).update(linked=None):
                announce(linked, self._using)  # the deletion's own word may have been out before
