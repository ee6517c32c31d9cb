"""A Hypothesis state machine that puts the live view through games, jobs and faults. See docs/fuzzing.md.

It models the table, and knows for each fault the job that repairs it. After every step the view must be consistent, and
no change may be missing unless the model expects it. After a drain every cell must equal a recomputation.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.test import override_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from analytics import services, view_maintenance, view_settings
from analytics.bounded_cache import BoundedCache
from analytics.database.game_reads import games_by_id
from analytics.live import pending, view_snapshot
from analytics.live.apply_games import NoView, apply
from analytics.live.writer_lock import WriterFenced, writer_lock
from cachecore.locks import LOCK, LockHeld
from cachecore.redis_client import connections
from cachecore.redis_client.connections import RedisUnavailable
from games.models import Game
from tests.analytics import games, view_dump, view_queries
from tests.analytics.connection_faults import Fault, ProcessKilled, inject, intercepted
from tests.analytics.oracle import expected_cells, meets
from tests.analytics.view_cells import PREFIX
from tests.analytics.view_dump import Games, ViewDump

CHUNK = 4096
DAY_MS, BUCKET_MS = 86_400_000, 600_000
EXTREMES = ("first", "last", "head")
BASE_DAYS = 20  # the earliest end time lies this many days back, at the start of a bucket

IDS = st.one_of(
    st.integers(1, 9),
    st.integers(4094, 4098),
    st.integers(8190, 8193),
    st.integers(9_999_998, 10_000_001),
    st.sampled_from([10**12, 10**12 + 1]),
)
STEPS = st.sampled_from([1, 1, 1, 1, 2, 3, 4096, 50_000])  # distance to the next id
CRASHES = st.sampled_from([100, 101, 150, 199, 200, 350, 999, 1000, 99_999, 100_000, 2**48 - 1])
ENDS = st.one_of(  # ms after the base; None: unknown
    st.none(),
    st.builds(
        lambda day, bucket, ms: day * DAY_MS + bucket * BUCKET_MS + ms,
        st.integers(0, 3),
        st.integers(0, 2),
        st.sampled_from([0, 1, BUCKET_MS - 1]),
    ),
)
VALUES = st.tuples(CRASHES, ENDS)
CONDITIONS = st.sampled_from(
    [["min:2"], ["min:2", "max:1.5", "floor:1", "min:10"], ["min:10", "floor:3"], ["max:1.01", "min:2", "min:1000"]]
)
KEEP_GAMES = st.sampled_from([10**13, 10**13, 1, 1, 4096])
KEEP_DAYS = st.sampled_from([10**5, 10**5, BASE_DAYS - 1, BASE_DAYS - 2])
WHICH = st.sampled_from(["first", "head", "rare"]) | st.integers(0, 30)
JOBS = st.sampled_from(["apply", "apply", "rebuild", "reconcile_newest", "reconcile_all", "clean_up"])
AT = st.tuples(st.integers(0, 4), st.just(True)) | st.tuples(st.integers(0, 15) | st.integers(0, 70), st.just(False))


@contextmanager
def environment() -> Iterator[None]:
    """Provide what a machine needs: connections into which faults can be injected, settings that are restored."""
    with intercepted(), override_settings():
        yield


# Keys that may be lost. A name that ends with a colon is a prefix: the last of the keys with this prefix is lost.
LOSSES = [
    *("version", "epoch", "state", "chunks", "ledger:", "occurrences:", "intervals:", "series"),
    *("series:closed:", "series:longest:", "pending", "sequence", "writer", "events"),
]


class ViewMachine(RuleBasedStateMachine):
    """The state machine; run it in `environment()`.

    Hypothesis prints a failing history as calls of these methods, which can be pasted into a test.
    """

    finished = 0  # number of histories in this process

    def __init__(self) -> None:
        super().__init__()
        self.base_ms = time.time_ns() // 10**6 // BUCKET_MS * BUCKET_MS - BASE_DAYS * DAY_MS
        self.table: Games = {}
        self.table_before: Games = {}  # the table at the last check
        self.ever_marked: set[int] = set()
        self.missed: set[int] = set()  # changed games that are not pending: only reconcile finds them
        self.cells_lost = False  # a key is lost that only the check of every cell finds
        self.series_ahead = False  # the series may contain games that the counts do not
        self.view_may_be_absent = True
        self.possible_below: list[Games] = [{}]  # the games below the ledger that the view may have counted
        self.newest_version = 0
        self.last_dump = ViewDump()
        self.backup: tuple | None = None
        self.stalled: tuple | None = None
        self.missed_since_stall: set[int] = set()  # changed since the writer stalled, without being marked pending
        _empty_servers()

    @initialize(
        games=st.dictionaries(IDS, VALUES, max_size=8),
        conditions=CONDITIONS,
        keep=KEEP_GAMES,
        days=KEEP_DAYS,
        built=st.booleans(),
    )
    def start(self, games, conditions, keep, days, built) -> None:
        self.configure(conditions)
        self.keep(keep, days)
        self._save(games, marked=False)
        if built:
            services.rebuild_view()

    # Games are added, changed and deleted -----------------------------------------------------------------------------

    @rule(new=st.lists(st.tuples(STEPS, VALUES), min_size=1, max_size=8))
    def follow(self, new) -> None:
        """Add games in order, after the newest one."""
        head, found = max(self.table, default=0), {}
        for step, values in new:
            head += step
            found[head] = values
        self._save(found)

    @rule(found=st.dictionaries(IDS, VALUES, min_size=1, max_size=6), marked=st.sampled_from([True, True, True, False]))
    def save(self, found, marked) -> None:
        """Save new games, late games and corrections. They are not marked pending if Redis was down."""
        self._save(found, marked=marked)

    @rule(which=WHICH, crash=CRASHES)
    def correct_crash_point(self, which, crash) -> None:
        if game_id := self._find(which):
            self._write({game_id: (crash, self.table[game_id][1])})

    @rule(which=WHICH, end=ENDS)
    def correct_end_time(self, which, end) -> None:
        if game_id := self._find(which):
            self._save({game_id: (self.table[game_id][0], end)})

    @rule(which=st.lists(WHICH, min_size=1, max_size=4), marked=st.sampled_from([True, True, True, False]))
    def delete(self, which, marked) -> None:
        for one in which:
            if game_id := self._find(one):
                self._remove({game_id}, marked=marked)

    @rule()
    def delete_all(self) -> None:
        self._remove(set(self.table))

    @rule(ids=st.lists(IDS, min_size=1, max_size=6))
    def mark(self, ids) -> None:
        """Mark games pending without a change, as after a save that changed nothing or was rolled back."""
        self._mark(ids)

    @rule()
    def reorder(self) -> None:
        """Mark the pending games again, the newest first."""
        for game_id in sorted(self.last_dump.pending, reverse=True):
            self._mark([game_id])

    # Jobs run, alone and with faults ----------------------------------------------------------------------------------

    @rule(job=JOBS)
    def run(self, job) -> None:
        self._run_with_fault(job, None)

    @rule(job=JOBS, at=AT, answered=st.booleans())
    def kill(self, job, at, answered) -> None:
        """Kill the job before message `at` is sent, or after the server has executed it."""
        self._run_with_fault(job, Fault(*at, answered=answered))

    @rule(job=JOBS, at=AT, answered=st.booleans(), cuts=st.integers(1, 3))
    def cut(self, job, at, answered, cuts) -> None:
        """Cut the connection at message `at`, this number of times."""
        self._run_with_fault(job, Fault(*at, answered=answered, cuts=cuts))

    @rule(job=JOBS, at=AT, found=st.dictionaries(IDS, VALUES, max_size=4), which=st.lists(WHICH, max_size=2))
    def run_beside_saves(self, job, at, found, which) -> None:
        """Change games just before message `at` of the job."""

        def meanwhile() -> None:
            self._save(found)
            self._remove({game_id for one in which if (game_id := self._find(one))})

        if job == "clean_up":  # otherwise it would drop games of a state that the machine has not checked
            meanwhile()
        self._run_with_fault(job, Fault(*at, meanwhile=meanwhile))

    @rule(job=JOBS, at=AT, other=st.sampled_from(["apply", "rebuild"]))
    def run_until_fenced(self, job, at, other) -> None:
        """Stall the job before message `at` until its lock has expired and another writer has finished."""

        def meanwhile() -> None:
            _expire_lock()
            self._run_job(other)

        if job == "clean_up":  # as in run_beside_saves
            self._expire_lock()
            self._run_job("apply")
            self.check_view()
        self._run_with_fault(job, Fault(*at, meanwhile=meanwhile))

    @rule(job=JOBS, at=AT)
    def run_while_redis_is_flushed(self, job, at) -> None:
        self._run_with_fault(job, Fault(*at, meanwhile=self._flush))

    @rule()
    def stall(self) -> None:
        """Let a writer read the pending games and their rows, and stall it then."""
        self._expire_lock()
        with writer_lock() as writer:
            batch = pending.oldest(500)
            self.stalled = (writer, batch, games_by_id(batch), view_settings.conditions()) if batch else None
        self.missed_since_stall = set()

    @precondition(lambda self: self.stalled)
    @rule()
    def stalled_writer_continues(self) -> None:
        writer, batch, rows, conditions = self.stalled
        self.stalled = None
        of_view = self.last_dump.has_view and [str(condition) for condition in conditions] == self.last_dump.conditions
        newest = self.last_dump.values.get("writer") == str(writer.token).encode()
        try:
            apply(writer, batch, rows, conditions)
        except WriterFenced:
            assert not newest
        except NoView:
            assert self.view_may_be_absent or self.cells_lost or not of_view
        else:
            assert newest
            # If a backup with other conditions and this token was restored, the writer counted its own conditions only.
            self.cells_lost = self.cells_lost or not of_view
            self.missed |= self.missed_since_stall  # it applied the values that it had read before they changed

    @rule()
    def drain(self) -> None:
        """Run the jobs that repair whatever happened. Then the view must equal the table."""
        self._repair()
        self._check_drained()

    # Redis loses data -------------------------------------------------------------------------------------------------

    @rule()
    def flush(self) -> None:
        self._flush()

    @rule()
    def back_up(self) -> None:
        with connections.guarded_client("state") as client:
            keys = client.keys(PREFIX + "*")
            values = [(key, client.dump(key), max(client.pttl(key), 0)) for key in keys]
        below = [dict(games) for games in self.possible_below]
        self.backup = (values, self.cells_lost, self.series_ahead, self.view_may_be_absent, below)

    @precondition(lambda self: self.backup)
    @rule()
    def restore_backup(self) -> None:
        values, self.cells_lost, self.series_ahead, self.view_may_be_absent, self.possible_below = self.backup
        self.possible_below = [dict(games) for games in self.possible_below]
        with connections.guarded_client("state") as client:
            for key in client.keys(PREFIX + "*"):
                client.delete(key)
            for key, value, ttl in values:
                client.restore(key, ttl, value)
        now = view_dump.take()
        if now.has_view:
            self.missed |= self._differing(now) - now.pending
        self.last_dump = now
        # What was marked pending since the backup is no longer pending.
        self.missed_since_stall = set(self.stalled[1]) if self.stalled else set()

    @rule(what=st.sampled_from(LOSSES))
    def lose(self, what) -> None:
        """Delete one key, as an operator's mistake or an evicting server would."""
        now = self.last_dump
        names = sorted(n for n in now.values if n == what or (what[-1] == ":" and n.startswith(what)))
        if not names:
            return
        with connections.guarded_client("state") as client:
            client.delete(PREFIX + names[-1])
        if what in ("version", "epoch", "state"):
            self.view_may_be_absent = True  # the next writer builds the view
        elif what == "pending":
            self.missed |= now.pending
            self.missed_since_stall |= now.pending
        elif what == "sequence":
            self.stalled = None  # later marks may get the sequence numbers of its batch again
        elif what.endswith(":") or what == "chunks":
            self.cells_lost = True

    # Clients read -----------------------------------------------------------------------------------------------------

    @rule(
        kind=st.sampled_from(view_queries.KINDS),
        count=st.sampled_from([1, 2, 12]),
        days=st.tuples(st.integers(0, 3), st.integers(1, 4)),
        at=st.integers(0, 3),
    )
    def read(self, kind, count, days, at) -> None:
        """Query the view while a writer runs before message `at`. The result must be that of the view's version."""
        before = self.last_dump
        conditions = before.conditions if before.has_view else settings.ANALYTICS_CONDITIONS
        span = (self.base_ms + days[0] * DAY_MS, self.base_ms + days[1] * DAY_MS)
        self._expire_lock()
        with inject(Fault(at, meanwhile=services.apply_pending)):
            result = view_queries.run(kind, conditions, count, *span)
        states = self._possible_states()
        self.check_view()
        states |= self._possible_states()
        if self.cells_lost or not states or (self.series_ahead and kind in ("series", "longest")):
            return
        if result is None:
            assert not (before.has_view and self._can_answer_all(before) and before.epoch == self.last_dump.epoch)
            return
        view, found = result
        possible = states.get(view.version) or [games for state in states.values() for games in state]
        expected = [view_queries.expected_result(kind, games, conditions, count, *span) for games in possible]
        assert found in expected

    def _possible_states(self) -> dict[int, list[Games]]:
        """Return the games that the view may contain, by version."""
        now = self.last_dump
        return {now.version: [now.ledger | below for below in self.possible_below]} if now.has_view else {}

    def _can_answer_all(self, now: ViewDump) -> bool:
        series = now.values.get("series", {})
        return (
            not now.below and now.oldest_retained_id == 0 and all(condition in series for condition in now.conditions)
        )

    # Settings ---------------------------------------------------------------------------------------------------------

    @rule(conditions=CONDITIONS)
    def configure(self, conditions) -> None:
        settings.ANALYTICS_CONDITIONS = conditions

    @rule(keep=KEEP_GAMES, days=KEEP_DAYS)
    def keep(self, keep, days) -> None:
        settings.ANALYTICS_LEDGER_GAMES = keep
        settings.ANALYTICS_BUCKET_DAYS = days

    # Checks after every step ------------------------------------------------------------------------------------------

    @invariant()
    def check_view(self) -> None:
        now, before = view_dump.take(), self.last_dump
        self.last_dump = now
        assert all(ttl > 0 for ttl in now.staging.values()), now.staging
        self._check_version(before, now)
        if not now.has_view:
            assert self.view_may_be_absent
            self.table_before = dict(self.table)
            return
        self._follow_view(before, now)
        if not self.cells_lost:
            assert not now.unexpected_keys, now.unexpected_keys
            self._check_nothing_is_lost(now)
            self._check_consistency(now)
        self.table_before = dict(self.table)

    def _check_version(self, before: ViewDump, now: ViewDump) -> None:
        if now.version is None or now.version == before.version:
            return
        assert now.version > self.newest_version
        self.newest_version = now.version
        if now.last_event is not None:
            assert now.last_event == b"%d-0" % now.version

    def _follow_view(self, before: ViewDump, now: ViewDump) -> None:
        """Update the games below the ledger that the view may have counted, after a rebuild or after retention."""
        if before.epoch != now.epoch:
            self.view_may_be_absent = self.cells_lost = self.series_ahead = False
            self.missed = set()
            self.possible_below = [
                _below(self.table_before, now.oldest_retained_id),
                _below(self.table, now.oldest_retained_id),
            ]
            # The test's transaction is no snapshot: a rebuild reads in blocks, and a save between two blocks is visible
            # in the later ones only.
            newest = max(self.table_before, default=0)
            later = {game_id: values for game_id, values in self.table.items() if game_id > newest}
            self.possible_below.append(_below(self.table_before | later, now.oldest_retained_id))
        elif before.oldest_retained_id != now.oldest_retained_id:
            assert now.oldest_retained_id > before.oldest_retained_id
            self.possible_below = [
                below | _below(before.ledger, now.oldest_retained_id) for below in self.possible_below
            ]

    def _check_nothing_is_lost(self, now: ViewDump) -> None:
        found_by_reconcile = now.pending - self.ever_marked
        assert not found_by_reconcile
        differing = self._differing(now)
        self.missed &= differing
        assert differing <= now.pending | self.missed, differing - now.pending - self.missed

    def _differing(self, now: ViewDump) -> set[int]:
        """Return the ids of the games that differ between view and table."""
        ledger = now.ledger
        ids = {
            i
            for i in ledger.keys() | self.table.keys()
            if i >= now.oldest_retained_id and ledger.get(i) != self.table.get(i)
        }
        if not now.below:
            differing = [_differing(below, _below(self.table, now.oldest_retained_id)) for below in self.possible_below]
            ids |= min(differing, key=len)
        return ids

    def _check_consistency(self, now: ViewDump) -> None:
        """Assert that every cell is what the ledger and the games below it give."""
        actual = now.cells
        expected = [
            expected_cells(now.ledger | below, now.conditions, now.oldest_bucket, now.oldest_retained_id)
            for below in self.possible_below
        ]
        differences = [_differences(actual, _without_undecided_cells(now, actual, cells)) for cells in expected]
        fits = [not found or self._is_series_ahead(now, found) for found in differences]
        assert any(fits), differences[-1]
        self.possible_below = [below for below, fit in zip(self.possible_below, fits, strict=True) if fit]
        latest = [max((end_ms for _, end_ms in below.values()), default=0) for below in self.possible_below]
        assert any(int(now.state["below_end"]) >= end_ms for end_ms in latest)

    def _is_series_ahead(self, now: ViewDump, found: dict) -> bool:
        """Return True if only series differ, and they may because they are ahead of the counts.

        Recomputed series include the table's games below the ledger, which the counts may not contain yet. A pending
        game will be applied; one that is not pending is found by the check of every cell only.
        """
        not_counted = any(
            _differing(below, _below(self.table, now.oldest_retained_id)) for below in self.possible_below
        )
        self.series_ahead = self.series_ahead or not_counted
        return self.series_ahead and all(name.startswith("series:") for name in found)

    # ------------------------------------------------------------------------------------------------------------------

    def teardown(self) -> None:
        self._repair()
        self._check_drained()
        ViewMachine.finished += 1

    def _check_drained(self) -> None:
        self.check_view()
        now = self.last_dump
        assert now.has_view
        assert not now.below
        assert not now.pending
        assert not now.unexpected_keys, now.unexpected_keys
        assert now.conditions == [str(condition) for condition in view_settings.conditions()]
        differences = _differences(
            now.cells, expected_cells(self.table, now.conditions, now.oldest_bucket, now.oldest_retained_id)
        )
        assert not differences, differences
        self.possible_below = [_below(self.table, now.oldest_retained_id)]

    def _repair(self) -> None:
        self._expire_lock()
        now = self.last_dump
        lost_below = {game_id for game_id in self.missed if now.has_view and game_id < now.oldest_retained_id}
        if self.missed - lost_below:
            newest = sorted({game_id // CHUNK for game_id in self.table})[-2:]
            self._run_job("reconcile_newest" if {i // CHUNK for i in self.missed} <= set(newest) else "reconcile_all")
        if self.cells_lost or self.series_ahead or lost_below:
            self._run_job("repair_aggregates")
        for _ in range(2):  # the first run notices a change below the ledger, the second one rebuilds the view
            self._run_job("apply")

    def _run_job(self, job: str) -> object:
        self.ever_marked |= self.table.keys()  # a writer marks games before the newest one that no save has marked
        match job:
            case "apply":
                return services.apply_pending()
            case "rebuild":
                return services.rebuild_view()
            case "reconcile_newest":
                return self._reconcile(view_maintenance.chunks_likely_to_differ())
            case "reconcile_all":
                return self._reconcile(view_maintenance.all_chunks())
            case "clean_up":
                return view_maintenance.clean_up()
            case "repair_aggregates":
                return view_maintenance.repair_aggregates()
        raise ValueError(job)

    def _reconcile(self, chunks: list[int]) -> object:
        self.ever_marked |= self.table.keys() | self.last_dump.ledger.keys()
        return view_maintenance.reconcile(chunks)

    def _run_with_fault(self, job: str, fault: Fault | None) -> None:
        self._expire_lock()
        try:
            with inject(fault):
                self._run_job(job)
        except ProcessKilled:
            pass
        except RedisUnavailable:
            assert fault.cuts
        except (WriterFenced, LockHeld):
            assert job == "rebuild"

    def _expire_lock(self) -> None:
        """Expire the lock of a dead writer. Until then no other writer may start."""
        if self.last_dump.locked:
            assert services.apply_pending() is None
            _expire_lock()
            self.last_dump.locked = False

    def _flush(self) -> None:
        with connections.guarded_client("state") as client:
            client.flushdb()
        self.view_may_be_absent, self.cells_lost = True, False

    def _find(self, which: str | int) -> int | None:
        """Return the id of the first game, the newest, the rarest by the conditions, or the game at an index."""
        ids = sorted(self.table)
        if not ids:
            return None
        if which == "rare":
            met = [[i for i in ids if meets(name, self.table[i][0])] for name in settings.ANALYTICS_CONDITIONS]
            return min((found for found in met if found), key=len, default=ids)[0]
        return {"first": ids[0], "head": ids[-1]}.get(which) or ids[which % len(ids)]

    def _save(self, found: dict[int, tuple[int, int | None]], *, marked: bool = True) -> None:
        timed = {i: (crash, 0 if end is None else self.base_ms + end) for i, (crash, end) in found.items()}
        self._write(timed, marked=marked)

    def _write(self, found: Games, *, marked: bool = True) -> None:
        games.put_all(found)
        self.table |= found
        self._changed(found.keys(), marked=marked)

    def _remove(self, ids: set[int], *, marked: bool = True) -> None:
        games.remove(*ids)
        for game_id in ids:
            del self.table[game_id]
        self._changed(ids, marked=marked)

    def _changed(self, ids, *, marked: bool) -> None:
        if marked:
            self._mark(sorted(ids))
        else:
            self.missed |= set(ids)
            self.missed_since_stall |= set(ids)

    def _mark(self, ids: list[int]) -> None:
        self.ever_marked |= set(ids)
        self.missed_since_stall -= set(ids)
        pending.mark(ids)


def _empty_servers() -> None:
    Game.objects.all()._raw_delete("default")
    with connections.guarded_client("state") as client:
        client.flushall()
    view_snapshot._chunk_hints = BoundedCache(view_snapshot.MAX_CHUNK_HINTS)  # as in a new process


def _expire_lock() -> None:
    with connections.guarded_client("state") as client:
        client.delete(LOCK.key(name="analytics-writer"))


def _below(found: Games, oldest_retained_id: int) -> Games:
    return {game_id: values for game_id, values in found.items() if game_id < oldest_retained_id}


def _without_undecided_cells(now: ViewDump, actual: dict, expected: dict) -> dict:
    """Return the expected cells, with the view's own ones where they need not be right yet.

    These are the series that the writer still has to recompute and, while changes below the ledger wait for a rebuild,
    the first and last games.
    """
    decided = dict(expected)
    for condition in now.conditions:
        if actual[f"series:{condition}"] is None:
            decided |= {
                name: cells for name, cells in actual.items() if name.endswith(f":{condition}") and name[:6] == "series"
            }
    if now.below:
        for name in ["state", *(f"occurrences:{condition}" for condition in now.conditions)]:
            decided[name] = {field: value for field, value in actual[name].items() if field.startswith(EXTREMES)}
            decided[name] |= {field: value for field, value in expected[name].items() if not field.startswith(EXTREMES)}
    return decided


def _differences(actual: dict, expected: dict) -> dict:
    """Return the cells that differ: name -> (actual, expected)."""
    return {
        name: (actual.get(name), expected.get(name))
        for name in actual.keys() | expected.keys()
        if actual.get(name) != expected.get(name)
    }


def _differing(one: Games, other: Games) -> set[int]:
    return {game_id for game_id in one.keys() | other.keys() if one.get(game_id) != other.get(game_id)}
