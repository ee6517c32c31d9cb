"""Send `games_changed` once per committed transaction, whatever it changed.

The signal carries `ids`. Receivers read the rows again, so an id too many is harmless, but an id too few is an error.
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

UNLINK_BATCH_GAMES = 1_000
games_changed = Signal()  # sender=Game, ids=tuple[int, ...] in ascending order


class _CommitHook:
    """A commit hook that collects the ids of one transaction, or of one savepoint in it."""

    def __init__(self, ids: Iterable[int]) -> None:
        self.ids = set(ids)

    def send(self) -> None:
        """Raise the version of the games and send the signal."""
        try:
            versions.raise_version(GAMES)
        except RedisUnavailable as error:
            # Cached responses live on for their TTL at most; `reconcile` raises the version when Redis is back.
            logger.warning("games changed, version not raised: %s", error)
        except Exception:  # the rows are committed, so the receivers must be called in any case
            logger.exception("games changed, version not raised")
        for _, response in games_changed.send_robust(sender=Game, ids=tuple(sorted(self.ids))):
            if isinstance(response, Exception):
                logger.error("a receiver of games_changed failed: %r", response)


def announce_changes(ids: Iterable[int], using: str | None = None) -> None:
    """Send `games_changed` for these games when the transaction commits. After a rollback nothing is sent."""
    connection = transaction.get_connection(using)
    # Django drops the hooks of a rolled back savepoint, so the ids may only join a hook of the same savepoint.
    current = set(connection.savepoint_ids)
    for savepoints, function, _ in reversed(connection.run_on_commit):
        hook = getattr(function, "__self__", None)
        if isinstance(hook, _CommitHook) and savepoints == current:
            hook.ids.update(ids)
            return
    transaction.on_commit(_CommitHook(ids).send, using=using, robust=True)


@receiver(post_save, sender=Game)
@receiver(post_delete, sender=Game)
def _row_changed(instance: Game, using: str, **kwargs: Any) -> None:
    announce_changes([instance.pk], using)


@receiver(post_delete, sender=Game)
def _unlink_following(instance: Game, using: str, **kwargs: Any) -> None:
    """Clear `linked` of the game after a deleted one when the transaction commits, in one hook for all deletions."""
    connection = transaction.get_connection(using)
    for _, function, _ in connection.run_on_commit:
        if isinstance(hook := getattr(function, "__self__", None), _UnlinkCommitHook):
            hook.ids.add(instance.pk)
            return
    transaction.on_commit(_UnlinkCommitHook(instance.pk, using).unlink_followers, using=using, robust=True)


class _UnlinkCommitHook:
    """A commit hook that collects the ids that a transaction deletes.

    An id of a savepoint that was rolled back is harmless, because the hook checks which games still exist.
    """

    def __init__(self, game_id: int, using: str) -> None:
        self.ids = {game_id}
        self._using = using

    def unlink_followers(self) -> None:
        """Set `linked` to None for the games after the deleted ones, and announce these changes."""
        ids = sorted(self.ids)
        for start in range(0, len(ids), UNLINK_BATCH_GAMES):
            deleted = set(ids[start : start + UNLINK_BATCH_GAMES])
            deleted -= set(
                Game.objects.using(self._using).filter(game_id__in=deleted).values_list("game_id", flat=True)
            )
            following = Game.objects.using(self._using).filter(game_id__in=[game_id + 1 for game_id in deleted])
            linked = list(following.filter(linked__isnull=False).values_list("game_id", flat=True))
            if linked and following.filter(game_id__in=linked).update(linked=None):
                announce_changes(linked, self._using)  # the signal of the deletion itself may have been sent before
