"""Model -> tags, declared beside the model: what reads hang on, and what a write makes cold, on commit.

    USERS = Cached(
        User,
        read=lambda pk: [f"user:{pk}"],
        purge=lambda user: [f"user:{user.pk}", "users", *(f"group:{g}" for g in groups_of(user))],
    )
    cache.remember(PROFILE.key(id=7), None, load, tags=USERS.tags(7))

A save, a deletion and a change of a many-to-many relation purge; a purge names everything that the write shows in
(the object, the lists, the analytics). Proxies and children of the model count as the model. `QuerySet.update`,
`bulk_create` and SQL send no signal: say `purge_now`.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, Generic, TypeVar

from django.db.models import Model
from django.db.models.signals import (
    ModelSignal,
    class_prepared,
    m2m_changed,
    post_delete,
    post_save,
    pre_delete,
    pre_save,
)

from cachecore.redis_client.connections import RedisUnavailable
from cachecore.service import Cache, cache

logger = logging.getLogger(__name__)

M = TypeVar("M", bound=Model)


class ModelTags(Generic[M]):
    """`read`: the tags of what shows one object, by its primary key. `purge`: the tags that a write to it makes cold.

    `moves`: `purge` depends on fields that may change (the list an object stands in), so the tags of its old row
    are purged too; costs a query a save.
    """

    def __init__(
        self,
        model: type[M],
        *,
        read: Callable[[Any], Iterable[str]],
        purge: Callable[[M], Iterable[str]],
        moves: bool = False,
        through: Cache = cache,
    ) -> None:
        self.model = model
        self._read = read
        self._purge = purge
        self._moves = moves
        self._cache = through
        declared[model] = self
        self._connect()

    def tags(self, pk: Any) -> list[str]:
        """What a read of the object names as its tags."""
        return list(self._read(pk))

    def purge_now(self, *instances: M, using: str | None = None) -> None:
        """For writes without signals; on commit in a transaction. Raises RedisUnavailable outside of one."""
        self._cache.invalidate_tags({tag for one in instances for tag in self._purge(one)}, using=using)

    def disconnect(self) -> None:
        """Undeclare; for tests."""
        declared.pop(self.model, None)
        class_prepared.disconnect(dispatch_uid=self)
        for model in _family(self.model):
            for signal in self._receivers:
                signal.disconnect(sender=model, dispatch_uid=self)
        for relation in self.model._meta.many_to_many:
            m2m_changed.disconnect(sender=_through(relation), dispatch_uid=(self, relation.name))

    def _connect(self) -> None:
        for model in _family(self.model):
            self._listen_to(model)
        class_prepared.connect(self._prepared, weak=False, dispatch_uid=self)
        for relation in self.model._meta.many_to_many:
            receiver = partial(self._related, relation)
            m2m_changed.connect(receiver, sender=_through(relation), weak=False, dispatch_uid=(self, relation.name))

    def _listen_to(self, model: type[Model]) -> None:
        for signal, receiver in self._receivers.items():
            signal.connect(receiver, sender=model, weak=False, dispatch_uid=self)

    def _prepared(self, sender: type[Model], **kwargs: Any) -> None:
        if issubclass(sender, self.model):
            self._listen_to(sender)

    @property
    def _receivers(self) -> dict[ModelSignal, Callable[..., None]]:
        before = {pre_save: self._before_save} if self._moves else {}
        return {**before, post_save: self._saved, pre_delete: self._before_delete, post_delete: self._deleted}

    def _before_save(self, instance: M, using: str, **kwargs: Any) -> None:
        old = self.model._base_manager.using(using).filter(pk=instance.pk).first()
        self._note(instance, [old] if old is not None else [])

    def _saved(self, instance: M, using: str, **kwargs: Any) -> None:
        self._note(instance, [instance])
        self._purge_noted(instance, using)

    def _before_delete(self, instance: M, **kwargs: Any) -> None:
        self._note(instance, [instance])  # its relations can be asked only while it has them

    def _deleted(self, instance: M, using: str, **kwargs: Any) -> None:
        self._purge_noted(instance, using)

    def _related(
        self,
        relation: Any,
        instance: Model,
        action: str,
        reverse: bool,
        pk_set: set[Any] | None,
        using: str,
        **kwargs: Any,
    ) -> None:
        """Before and after: what was related and what is. In reverse, `instance` is of the other model."""
        if not reverse:
            self._note(instance, [instance])  # type: ignore[list-item]
        elif action != "post_clear":  # after it there is nothing to find; noted before
            related = {"pk__in": pk_set} if pk_set is not None else {relation.name: instance}
            self._note(instance, self.model._base_manager.using(using).filter(**related))
        if action.startswith("post_"):
            self._purge_noted(instance, using)

    def _note(self, carrier: Model, changed: Iterable[M]) -> None:
        """Tags that the write under way will make cold; they travel on the instance that it is about."""
        noted: dict[int, set[str]] = carrier.__dict__.setdefault("_cachecore_noted", {})
        noted.setdefault(id(self), set()).update(tag for one in changed for tag in self._purge(one))

    def _purge_noted(self, carrier: Model, using: str) -> None:
        """The row is written: a Redis that is away must not make its save fail, and is owed the purge."""
        noted = carrier.__dict__["_cachecore_noted"].pop(id(self))
        try:
            self._cache.invalidate_tags(noted, using=using)
        except RedisUnavailable as error:
            logger.error("written, not invalidated yet: %s", error)


declared: dict[type[Model], ModelTags[Any]] = {}


def _family(model: type[Model]) -> Iterator[type[Model]]:
    """The model, its proxies and its children: Django sends a signal for the class that is saved, and for no other."""
    yield model
    for child in model.__subclasses__():
        yield from _family(child)


def _through(relation: Any) -> Any:
    return relation.remote_field.through
