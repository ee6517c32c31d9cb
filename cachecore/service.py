"""The cache service: values that are never stored stale, computed once, invalidated by tag in O(1).

    from cachecore.service import cache

    profile = cache.remember(PROFILE.key(id=7), None, lambda: load(7), tags=["user:7"])
    cache.invalidate_tag("user:7")

A Redis that fails never fails a read: the factory answers. Setting fails silently and is counted; invalidating fails
loudly (RoleUnavailable), for whoever writes must know. docs/cachecore.md has the whole table.
"""

import logging
import os
import secrets
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Literal, NamedTuple, TypeVar

from cachecore import connections, leases, lifetimes, options, stats, tags, transactions, writing
from cachecore import envelope as envelopes
from cachecore.backlog import Backlog
from cachecore.connections import RoleUnavailable
from cachecore.envelope import Payload, Times
from cachecore.filling import Ask, Filler, times_of
from cachecore.flights import Flights
from cachecore.freshness import Freshness
from cachecore.keys import Family, Key, registry
from cachecore.local import Entry, LocalCache
from cachecore.measures import Event
from cachecore.performing import Performer
from cachecore.reading import Reader, Seen
from cachecore.sealing import NotStorable
from cachecore.steps import Run, Steps, drive

logger = logging.getLogger(__name__)

T = TypeVar("T")


class ToWarm(NamedTuple):
    """What `warm` computes when it is not there. `ttl` as in `remember`."""

    key: Key
    factory: Callable[[], Any]
    ttl: float | None = None
    tags: Sequence[str] = ()


class Warmed(NamedTuple):
    computed: int
    already: int
    failed: int


Outcome = Literal["hit", "stale", "miss", "bypass"]
NOT_KEPT: frozenset[Event] = frozenset({"bypass", "refused", "error", "lease_lost"})


class Remembered(NamedTuple):
    """`bypass`: computed, and not kept."""

    value: Any
    outcome: Outcome


class Status(NamedTuple):
    """This process's cache; what was counted is in `cachecore.stats.snapshot()`."""

    local_entries: int
    local_bytes: int
    breaker: str
    owed_invalidations: int
    counted: Any


class Cache:
    """Over the cache role. One per process is enough: `cache` below."""

    def __init__(self, *, local_bytes: int | None = None, local_seconds: float | None = None) -> None:
        self._local_bytes = local_bytes
        self._local_seconds = local_seconds
        self._begin()

    def _begin(self) -> None:
        """Nothing remembered, nothing under way; also in a forked child, whose threads and locks are the parent's."""
        self._memory = LocalCache(
            self._local_bytes or options.local_bytes(), self._local_seconds or options.local_seconds()
        )
        self._backlog = Backlog()
        self._flights = Flights()
        self._reader = Reader(self._memory)
        self._filler = Filler(self._reader, self._flights, self._memory, self._closed)
        self._perform = Performer()

    # Reading

    def remember(
        self,
        key: Key,
        ttl: float | str | None,
        factory: Callable[[], Any],
        *,
        tags: Sequence[str] = (),
        family: Family | None = None,
    ) -> Any:
        """The value under `key`, computed by `factory` when there is none that counts.

        `ttl`: seconds, a tier's name, or None for the family's (CACHE_TTLS, tuning). Raises what the factory raises,
        when there is no old value to serve; FactoryTimeout; never RoleUnavailable.
        """
        return drive(self.remember_steps(key, ttl, factory, tags=tags, family=family), self._perform)

    def remembered(self, key: Key, factory: Callable[[], Any]) -> "Remembered":
        """`remember` with the family's TTL and no tags, and how it went."""
        ask = self._ask(key, None, factory, (), None)
        return Remembered(drive(self._filled(ask), self._perform), _outcome(ask.events))

    def remember_steps(
        self,
        key: Key,
        ttl: float | str | None,
        factory: Callable[[], Any],
        *,
        tags: Sequence[str] = (),
        family: Family | None = None,
    ) -> Steps[Any]:
        """`remember` without its I/O, for whoever drives it (cachecore/steps.py)."""
        asked = tuple(tags)
        if (
            _check(key).family.options.near
            and not self._unsettled()
            and (entry := (yield from self._nearby(key, asked)))
        ):
            stats.count(key.family.name, "local_hit")
            return entry.value if entry.shared else envelopes.unpack(key.family, entry.payload)
        return (yield from self._filled(self._ask(key, ttl, factory, asked, family)))

    def _filled(self, ask: Ask) -> Steps[Any]:
        payload = yield from self._filler.remember(ask)
        try:
            return envelopes.unpack(ask.family, payload)
        except envelopes.UNREADABLE:
            yield from self._drop(ask.key)
            return envelopes.unpack(ask.family, (yield from self._filler.alone(ask)))

    def get(self, key: Key, default: Any = None, *, tags: Sequence[str] = ()) -> Any:
        """The value, NOT_FOUND if that was stored, or `default`. Naming the tags saves a round trip."""
        return drive(self.get_steps(key, default, tags=tags), self._perform)

    def get_steps(self, key: Key, default: Any = None, *, tags: Sequence[str] = ()) -> Steps[Any]:
        """`get` without its I/O."""
        _check(key)
        self._pay()
        asked = tuple(tags)
        names = _canonical(asked)
        if self._closed(key, names):
            stats.count(key.family.name, "bypass")
            return default
        if key.family.options.near and not self._unsettled() and (entry := (yield from self._nearby(key, asked))):
            stats.count(key.family.name, "local_hit")
            return envelopes.unpack(key.family, entry.payload)
        seen = yield from self._reader.look(key, names, asked)
        return self._answered(key, seen, default)

    def get_many(self, keys: Iterable[Key]) -> dict[Key, Any]:
        """Those that are there, in two round trips."""
        self._pay()
        wanted = [_check(key) for key in dict.fromkeys(keys)]
        missing = object()
        seen = drive(self._reader.look_many(wanted), self._perform) if wanted else {}
        answers = {key: self._answered(key, seen[key], missing) for key in wanted}
        return {key: value for key, value in answers.items() if value is not missing}

    def exists(self, key: Key) -> bool:
        missing = object()
        return self.get(key, missing) is not missing

    # Writing

    def set(self, key: Key, value: Any, ttl: float | str | None = None, *, tags: Sequence[str] = ()) -> bool:
        """Store it, whatever stood there; whether it was stored. What was read from a database belongs in `remember`.

        In a transaction that has invalidated the key or a tag nothing is stored. Raises NotStorable, TypeError.
        """
        return self.set_many({key: value}, ttl, tags=tags) == 1

    def set_many(self, values: Mapping[Key, Any], ttl: float | str | None = None, *, tags: Sequence[str] = ()) -> int:
        """How many were stored: all, none while Redis is away, or those no open transaction has invalidated."""
        self._pay()
        names = _canonical(tuple(tags))
        values = {_check(key): value for key, value in values.items() if not self._closed(key, names)}
        payloads = {key: envelopes.pack(key.family, value) for key, value in values.items()}
        try:
            versions = writing.tag_versions(names)
            sealed = {key: self._sealed(key, payload, ttl, versions) for key, payload in payloads.items()}
            self._memory.invalidate(sealed, ())
            writing.write(sealed)
        except RoleUnavailable:
            for key in values:
                stats.count(key.family.name, "error")
            return 0
        finally:
            self._begin_anew(values, ())
        for key in values:
            stats.count(key.family.name, "stored")
        return len(values)

    def write_through(
        self,
        key: Key,
        value: Any,
        save: Callable[[], T],
        ttl: float | str | None = None,
        *,
        tags: Sequence[str] = (),
        using: str | None = None,
    ) -> T:
        """Save, then store; what `save` returned. Two writers at once leave nothing stored rather than the wrong one.

        In a transaction the value is only invalidated, on commit. Raises what `save` raises (nothing is stored then),
        and RoleUnavailable when the old value could be neither replaced nor deleted: it was saved all the same.
        """
        _check(key)
        if transactions.defer(self._apply, [key], (), using):
            return save()
        names = _canonical(tuple(tags))
        payload = envelopes.pack(key.family, value)  # what cannot be encoded fails before anything is saved
        claim = secrets.token_bytes(leases.TOKEN_BYTES) + leases.WRITER
        versions = self._claimed(key, claim, names)
        try:
            saved = save()
        except BaseException:
            self._end_claim(key, claim)
            raise
        if versions is None or not self._stored(key, payload, ttl, claim, versions):
            self._invalidate([key], ())
        self._begin_anew([key], ())
        return saved

    def delete(self, key: Key, *, using: str | None = None) -> int:
        return self.delete_many([key], using=using)

    def delete_many(self, keys: Iterable[Key], *, using: str | None = None) -> int:
        """How many stood there; 0 where an open transaction deletes on commit. Raises RoleUnavailable."""
        gone = [_check(key) for key in keys]
        if not gone or transactions.defer(self._apply, gone, (), using):
            return 0
        return self._invalidate(gone, ())

    def increment(self, key: Key, amount: int = 1, ttl: float | str | None = None) -> int:
        """Add to a counter, which lives its TTL from its beginning. Raises RoleUnavailable: a count is not made up."""
        ttl_ms = round(lifetimes.seconds_of(_check(key).family, ttl) * 1000)
        self._memory.invalidate([key], ())
        return int(writing.run(leases.Call(leases.increment_counter, [key], [amount, ttl_ms])))

    # Invalidating

    def invalidate_tag(self, tag: str, *, using: str | None = None) -> None:
        self.invalidate_tags([tag], using=using)

    def invalidate_tags(self, tags: Iterable[str], *, using: str | None = None) -> None:
        """Whatever was stored, or is being computed, under a tag counts no more. One write a tag.

        In a transaction: on commit; until then this thread neither reads nor stores what hangs on them. Raises
        RoleUnavailable outside of a transaction.
        """
        names = _canonical(tuple(tags) if not isinstance(tags, str) else tags)
        if names and not transactions.defer(self._apply, (), names, using):
            self._invalidate((), names)

    def clear(self, what: Family | str | None = None) -> int:
        """Delete a family's values, those under a prefix (within a family), or None: all of ours; how many.

        For operators: O(keys of the server). Raises ValueError for what is not of the cache role, RoleUnavailable.
        """
        prefixes = _prefixes(what)
        self._memory.clear()
        self._flights.detach_all()
        cleared = sum(writing.clear_prefix(prefix) for prefix in prefixes)
        self._memory.clear()
        return cleared

    def warm(self, entries: Iterable[ToWarm]) -> Warmed:
        """Compute what is not there. One that fails is logged and does not keep the others from being warmed."""
        counts = {"computed": 0, "already": 0, "failed": 0}
        for entry in entries:
            counts[self._warm_one(entry)] += 1
        return Warmed(**counts)

    def stats(self) -> Status:
        return Status(
            len(self._memory),
            self._memory.bytes,
            connections.breaker("cache").state,
            len(self._backlog),
            stats.snapshot(),
        )

    def heard(self, message: bytes) -> None:
        """Word of another process's invalidation (channel `cache-invalidate`): act before the bound makes us."""
        keys, names = writing.heard(message)
        self._memory.invalidate(keys, names)

    def forget(self) -> None:
        """Drop what this process remembers; for tests."""
        self._begin()

    # Inside

    def _ask(
        self,
        key: Key,
        ttl: float | str | None,
        factory: Callable[[], Any],
        asked: tuple[str, ...],
        family: Family | None,
    ) -> Ask:
        _check(key)
        if family is not None and family is not key.family:
            raise ValueError(f"key {key} is of family {key.family.name}, not {family.name}")
        self._pay()
        if ttl is not None:
            lifetimes.seconds_of(key.family, ttl)  # a wrong one is an error also where there is a value
        return Ask(key, ttl, factory, _canonical(asked), asked, time.monotonic())

    def _unsettled(self) -> bool:
        """Whether there is anything that `_closed` would have to be asked about."""
        return bool(transactions.pending or self._backlog)

    def _nearby(self, key: Key, asked: tuple[str, ...]) -> Steps[Entry | None]:
        """From the process's memory, verified as it promises."""
        entry = self._memory.fresh(key)
        known = entry or self._memory.known(key)
        if known is not None and self._memory.due(known):
            yield from self._reader.verify(known)
            entry = self._memory.fresh(key)
        return entry if entry is not None and entry.asked == asked else None

    def _answered(self, key: Key, seen: Seen, default: Any) -> Any:
        if seen.payload is None or self._closed(key, seen.tags):
            stats.count(key.family.name, "miss")
            return default
        try:
            value = envelopes.unpack(key.family, seen.payload)
        except envelopes.UNREADABLE:
            stats.count(key.family.name, "miss")
            return default
        stats.count(key.family.name, "stale" if seen.freshness is Freshness.STALE else "hit")
        return value

    def _drop(self, key: Key) -> Steps[None]:
        """A value that cannot be read: damaged, or of another release's type."""
        logger.warning("%s: a stored value cannot be read and is dropped", key.family.name)
        self._begin_anew([key], ())
        with suppress(RoleUnavailable):
            yield Run(leases.write({key: (b"", 0)}))

    def _sealed(
        self, key: Key, payload: Payload, ttl: float | str | None, versions: Mapping[str, bytes]
    ) -> tuple[bytes, int]:
        times: Times = times_of(key.family, lifetimes.seconds_of(key.family, ttl), payload, 0.0)
        try:
            data = envelopes.seal(key.family, payload, times, versions)
        except NotStorable:
            stats.count(key.family.name, "refused")
            raise
        stats.sized(key.family.name, len(payload.data), len(data))
        return data, round(times.hard_seconds * 1000)

    def _claimed(self, key: Key, claim: bytes, names: tuple[str, ...]) -> dict[str, bytes] | None:
        """Take the lease from whoever has it, and the tags' versions before the save; None while Redis is away."""
        try:
            versions = writing.tag_versions(names)
            with connections.use("cache") as client:
                client.set(leases.LEASE.key(key=key), claim, px=round(options.lease_seconds(key.family) * 1000))
        except RoleUnavailable:
            stats.count(key.family.name, "error")
            return None
        return versions

    def _end_claim(self, key: Key, claim: bytes) -> None:
        with suppress(RoleUnavailable):  # it ends by its TTL, and nobody waits for a writer
            writing.run(leases.give_up(key, claim))

    def _stored(
        self, key: Key, payload: Payload, ttl: float | str | None, claim: bytes, versions: Mapping[str, bytes]
    ) -> bool:
        try:
            data, ttl_ms = self._sealed(key, payload, ttl, versions)
            return bool(writing.run(leases.store(key, claim, versions, data, ttl_ms)))
        except (NotStorable, RoleUnavailable) as error:
            logger.warning("%s: written through, not stored: %s", key.family.name, error)
            return False

    def _invalidate(self, keys: Collection[str], names: Collection[str]) -> int:
        """Before and after: what another thread reads in between is not kept, what Redis refuses is gone from here."""
        self._begin_anew(keys, names)
        stood = writing.invalidate(keys, names)
        self._begin_anew(keys, names)
        return stood

    def _begin_anew(self, keys: Collection[str], names: Collection[str]) -> None:
        self._memory.invalidate(keys, names)
        self._flights.detach(keys, names)

    def _apply(self, keys: Collection[str], names: Collection[str]) -> None:
        """On commit. It must not fail what was committed: a Redis that is away is owed the invalidation."""
        try:
            self._invalidate(keys, names)
        except RoleUnavailable as error:
            logger.error("committed, not invalidated yet: %s", error)
            stats.count(tags.TAG_VERSION.name, "error")
            self._backlog.owe(keys, names)

    def _pay(self) -> None:
        """Invalidate what is owed since a commit, if the time for another try has come."""
        if not self._backlog or (debt := self._backlog.due()) is None:
            return
        try:
            if debt.everything:
                writing.invalidate_everything()
            self._invalidate(debt.keys, debt.tags)
        except RoleUnavailable:
            return
        self._backlog.paid(debt)

    def _closed(self, key: Key, names: Sequence[str]) -> bool:
        return transactions.affected(key, names) or (bool(self._backlog) and self._backlog.owes(key, names))

    def _warm_one(self, entry: ToWarm) -> str:
        computed = False

        def factory() -> Any:
            nonlocal computed
            computed = True
            return entry.factory()

        try:
            self.remember(entry.key, entry.ttl, factory, tags=entry.tags)
        except Exception:
            logger.exception("warming %s failed", entry.key)
            return "failed"
        return "computed" if computed else "already"


def _outcome(events: Collection[Event]) -> Outcome:
    if "stale" in events:
        return "stale"
    if not NOT_KEPT.isdisjoint(events):
        return "bypass"
    return "miss" if "miss" in events else "hit"


def _canonical(asked: Any) -> tuple[str, ...]:
    return tags.canonical(asked) if asked else ()


def _check(key: Key) -> Key:
    """Keys come from `Family.key`, of a family of the cache role. Raises TypeError, ValueError."""
    if not isinstance(key, Key):
        raise TypeError(f"a key comes from Family.key(...), not {key!r:.100}")
    if key.family.role != "cache":
        raise ValueError(f"family {key.family.name} is of the {key.family.role} role, not of the cache")
    return key


def _prefixes(what: Family | str | None) -> list[str]:
    ours = [family for family in registry.values() if family.role == "cache"]
    if what is None:
        return [family.prefix for family in ours]
    if isinstance(what, Family):
        if what.role != "cache":
            raise ValueError(f"{what.name} is not a cache: {what.holds}")
        return [what.prefix]
    if not any(what.startswith(family.prefix) for family in ours):
        raise ValueError(f"no family of the cache has keys that begin with {what!r:.100}")
    return [what]


cache = Cache()
os.register_at_fork(after_in_child=cache.forget)
