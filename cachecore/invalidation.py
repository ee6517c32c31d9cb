"""Declare, beside a model, which tags its reads depend on and which tags a write to it invalidates on commit.

    USERS = ModelTags(
        User,
        read=lambda pk: [f"user:{pk}"],
        purge=lambda user: [f"user:{user.pk}", "users", *(f"group:{g}" for g in groups_of(user))],
    )
    cache.remember(PROFILE.key(id=7), None, load, tags=USERS.tags(7))

A save, a deletion and a change of a many-to-many relation invalidate the tags of `purge`: those of everything that
shows the object (its page, the lists, the analytics). Proxies and children of the model are included.
`QuerySet.update`, `bulk_create` and SQL send no signal: call `purge_now`. A raw save (loaddata) calls `purge` when the
load is committed, with the row as it is then: until then, rows that the object refers to may be missing.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, Generic, TypeVar

from django.core.exceptions import ObjectDoesNotExist
from django.db import connections as databases
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

from cachecore.batching import batched
from cachecore.redis_client.connections import RedisUnavailable
from cachecore.service import Cache
from cachecore.service import cache as default_cache
from cachecore.writes import transactions

logger = logging.getLogger(__name__)

M = TypeVar("M", bound=Model)

ROWS_PER_QUERY = 500


class ModelTags(Generic[M]):
    """`read`: the tags for values about one object, by primary key. `purge`: the tags that a write to it invalidates.

    `purge_old_row`: also invalidate the tags of the row before a save, for a `purge` that depends on fields which may
    change (such as the list that contains the object). Costs one query per save.
    """

    def __init__(
        self,
        model: type[M],
        *,
        read: Callable[[Any], Iterable[str]],
        purge: Callable[[M], Iterable[str]],
        purge_old_row: bool = False,
        cache: Cache = default_cache,
    ) -> None:
        self.model = model
        self._read = read
        self._purge = purge
        self._purge_old_row = purge_old_row
        self._cache = cache
        declared[model] = self
        self._connect()

    def tags(self, pk: Any) -> list[str]:
        """Return the tags to name in `remember` or `get` for a value about the object."""
        return list(self._read(pk))

    def purge_now(self, *instances: M, using: str | None = None) -> None:
        """Invalidate the tags of objects that were written without signals; on commit in a transaction.

        Raises RedisUnavailable outside of a transaction.
        """
        self._cache.invalidate_tags({tag for instance in instances for tag in self._purge(instance)}, using=using)

    def disconnect(self) -> None:
        """Remove the declaration and its signal receivers (for tests)."""
        declared.pop(self.model, None)
        class_prepared.disconnect(dispatch_uid=self)
        for model in _with_subclasses(self.model):
            for signal in self._receivers:
                signal.disconnect(sender=model, dispatch_uid=self)
        for relation in self.model._meta.many_to_many:
            m2m_changed.disconnect(sender=_through(relation), dispatch_uid=(self, relation.name))

    def _connect(self) -> None:
        for model in _with_subclasses(self.model):
            self._connect_receivers(model)
        class_prepared.connect(self._on_class_prepared, weak=False, dispatch_uid=self)
        for relation in self.model._meta.many_to_many:
            receiver = partial(self._on_m2m_change, relation)
            m2m_changed.connect(receiver, sender=_through(relation), weak=False, dispatch_uid=(self, relation.name))

    def _connect_receivers(self, model: type[Model]) -> None:
        for signal, receiver in self._receivers.items():
            signal.connect(receiver, sender=model, weak=False, dispatch_uid=self)

    def _on_class_prepared(self, sender: type[Model], **kwargs: Any) -> None:
        if issubclass(sender, self.model):
            self._connect_receivers(sender)

    @property
    def _receivers(self) -> dict[ModelSignal, Callable[..., None]]:
        return {
            pre_save: self._before_save,
            post_save: self._after_save,
            pre_delete: self._before_delete,
            post_delete: self._after_delete,
        }

    def _before_save(self, instance: M, using: str, raw: bool, **kwargs: Any) -> None:
        if raw:
            self._collect(instance, self._tags_of_rows([instance.pk], using))
        elif self._purge_old_row:
            self._collect_tags(instance, self._rows([instance.pk], using))

    def _after_save(self, instance: M, using: str, raw: bool, **kwargs: Any) -> None:
        instance.__dict__["_cachecore_is_raw"] = raw
        if raw:
            self._purge_after_load(instance, using)
        else:
            self._collect_tags(instance, [instance])
            self._purge_collected(instance, using)

    def _before_delete(self, instance: M, **kwargs: Any) -> None:
        self._collect_tags(instance, [instance])  # now, because its relations are gone afterwards

    def _after_delete(self, instance: M, using: str, **kwargs: Any) -> None:
        self._purge_collected(instance, using)

    def _on_m2m_change(
        self,
        relation: Any,
        instance: Model,
        action: str,
        reverse: bool,
        pk_set: set[Any] | None,
        using: str,
        **kwargs: Any,
    ) -> None:
        """Collect the tags of the objects related before and after. If `reverse`, `instance` is of the other model."""
        if not reverse and instance.__dict__.get("_cachecore_is_raw"):
            self._collect(instance, self._tags_of_rows([instance.pk], using))
            if action.startswith("post_"):
                self._purge_after_load(instance, using)
            return
        if not reverse:
            self._collect_tags(instance, [instance])  # type: ignore[list-item]
        elif action != "post_clear":  # nothing is related any more; the tags were collected by pre_clear
            related = {"pk__in": pk_set} if pk_set is not None else {relation.name: instance}
            self._collect_tags(instance, self.model._base_manager.using(using).filter(**related))
        if action.startswith("post_"):
            self._purge_collected(instance, using)

    def _collect_tags(self, carrier: Model, changed: Iterable[M]) -> None:
        """Collect the tags that the current write will invalidate, on the instance that the signals are about."""
        self._collect(carrier, {tag for instance in changed for tag in self._purge(instance)})

    def _collect(self, carrier: Model, tags: Iterable[str]) -> None:
        collected: dict[int, set[str]] = carrier.__dict__.setdefault("_cachecore_collected_tags", {})
        collected.setdefault(id(self), set()).update(tags)

    def _purge_collected(self, carrier: Model, using: str) -> None:
        """Invalidate the collected tags. Never raises RedisUnavailable: the row is written; invalidation is retried."""
        self._invalidate(carrier.__dict__["_cachecore_collected_tags"].pop(id(self)), using)

    def _purge_after_load(self, instance: Model, using: str) -> None:
        """Invalidate the collected tags and those of `read`; call `purge` when the load is committed."""
        self._collect(instance, self._read(instance.pk))
        self._purge_collected(instance, using)
        connection: Any = databases[using]  # Django's stubs do not know robust callbacks
        for savepoints, callback, _ in connection.run_on_commit:
            if savepoints == set(connection.savepoint_ids) and isinstance(callback, _Load) and callback.owner is self:
                callback.pks.add(instance.pk)
                return
        transactions.call_on_commit(_Load(self, instance.pk, using), connection)

    def purge_loaded(self, pks: Iterable[Any], using: str) -> None:
        """Invalidate the tags of rows that were saved raw, after the load. Never raises RedisUnavailable."""
        for batch in batched(pks, ROWS_PER_QUERY):
            self._invalidate(self._tags_of_rows(batch, using), using)

    def _tags_of_rows(self, pks: Iterable[Any], using: str) -> set[str]:
        """Return the tags of stored rows. Skip a row that refers to a missing one, as during a load."""
        tags: set[str] = set()
        for row in self._rows(pks, using):
            try:
                tags.update(self._purge(row))
            except ObjectDoesNotExist as error:
                logger.info("Tags of %s %s were not invalidated: %s", self.model.__name__, row.pk, error)
        return tags

    def _rows(self, pks: Iterable[Any], using: str) -> Iterable[M]:
        return self.model._base_manager.using(using).filter(pk__in=list(pks))

    def _invalidate(self, tags: Iterable[str], using: str) -> None:
        try:
            self._cache.invalidate_tags(tags, using=using)
        except RedisUnavailable as error:
            logger.error("A written row is not invalidated yet and will be retried: %s", error)


class _Load:
    """An on-commit callback: the rows that one transaction saved raw."""

    def __init__(self, owner: ModelTags[Any], pk: Any, using: str) -> None:
        self.owner = owner
        self.pks = {pk}
        self.using = using
        self.__qualname__ = type(self).__qualname__  # Django logs a failing callback by this name

    def __call__(self) -> None:
        self.owner.purge_loaded(self.pks, self.using)


declared: dict[type[Model], ModelTags[Any]] = {}


def _with_subclasses(model: type[Model]) -> Iterator[type[Model]]:
    """Yield the model, its proxies and its children: Django sends signals for the saved class only."""
    yield model
    for child in model.__subclasses__():
        yield from _with_subclasses(child)


def _through(relation: Any) -> Any:
    return relation.remote_field.through
