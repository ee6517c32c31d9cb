"""Anything that can happen to the live view, as a state machine. docs/fuzzing.md: what it does, how to replay it.

It knows the table, and of each fault which job makes it good. After every step what the view holds must be consistent
and nothing lost that the fault model does not call lost; after a drain every cell equals the recomputation.
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
from tests.analytics import games, picture, questions
from tests.analytics.oracle import expected_cells, meets
from tests.analytics.picture import Games, Picture
from tests.analytics.view import PREFIX
from tests.analytics.wire import Killed, Trouble, tapped, troubled

CHUNK = 4096
DAY_MS, BUCKET_MS = 86_400_000, 600_000
EXTREMES = ("first", "last", "head")
BASE_DAYS = 20  # the earliest end time lies so many days back, at the beginning of a bucket

IDS = st.one_of(
    st.integers(1, 9),
    st.integers(4094, 4098),
    st.integers(8190, 8193),
    st.integers(9_999_998, 10_000_001),
    st.sampled_from([10**12, 10**12 + 1]),
)
STEPS = st.sampled_from([1, 1, 1, 1, 2, 3, 4096, 50_000])  # to the next id
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
def ground() -> Iterator[None]:
    """What a machine stands on: connections that trouble can strike, settings that are put back."""
    with tapped(), override_settings():
        yield


# Keys that may go; of those whose names begin so, the last.
LOSSES = [
    *("version", "epoch", "state", "chunks", "ledger:", "occurrences:", "intervals:", "series"),
    *("series:closed:", "series:longest:", "pending", "sequence", "writer", "events"),
]


class ViewMachine(RuleBasedStateMachine):
    """To be run in `ground()`. A failing history is printed as calls of these methods, to be pasted into a test."""

    finished = 0  # histories of this process

    def __init__(self) -> None:
        super().__init__()
        self.base_ms = time.time_ns() // 10**6 // BUCKET_MS * BUCKET_MS - BASE_DAYS * DAY_MS
        self.table: Games = {}
        self.before: Games = {}  # the table at the last look
        self.marked: set[int] = set()  # ever
        self.lost: set[int] = set()  # changed, and the marking is gone or never was: only reconciling finds them
        self.hurt = False  # a cell is gone: only the look at every cell finds that
        self.ahead = False  # the series may be, of the counts
        self.absent = True  # the view may be
        self.below: list[Games] = [{}]  # what the view may have taken in of games below its ledger
        self.newest_version = 0
        self.seen = Picture()
        self.dump: tuple | None = None
        self.stalled: tuple | None = None
        self.unheard: set[int] = set()  # changed since the stall, and nothing marked tells the stalled writer
        _empty_servers()

    @initialize(
        games=st.dictionaries(IDS, VALUES, max_size=8),
        conditions=CONDITIONS,
        keep=KEEP_GAMES,
        days=KEEP_DAYS,
        built=st.booleans(),
    )
    def begin(self, games, conditions, keep, days, built) -> None:
        self.configure(conditions)
        self.keep(keep, days)
        self._save(games, marked=False)
        if built:
            services.rebuild_view()

    # Games come, change and go ---------------------------------------------------------------------------------------

    @rule(new=st.lists(st.tuples(STEPS, VALUES), min_size=1, max_size=8))
    def follow(self, new) -> None:
        """Games in order, after the newest."""
        head, found = max(self.table, default=0), {}
        for step, values in new:
            head += step
            found[head] = values
        self._save(found)

    @rule(found=st.dictionaries(IDS, VALUES, min_size=1, max_size=6), marked=st.sampled_from([True, True, True, False]))
    def save(self, found, marked) -> None:
        """New ones, late ones, corrections; not marked: Redis was away."""
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
        """As after a save that changed nothing, or one that was rolled back."""
        self._mark(ids)

    @rule()
    def reorder(self) -> None:
        """What waits is marked again, the newest first."""
        for game_id in sorted(self.seen.pending, reverse=True):
            self._mark([game_id])

    # Jobs run, alone and in trouble -----------------------------------------------------------------------------------

    @rule(job=JOBS)
    def run(self, job) -> None:
        self._job(job, None)

    @rule(job=JOBS, at=AT, answered=st.booleans())
    def kill(self, job, at, answered) -> None:
        """The job dies before message `at` is sent, or once the server has executed it."""
        self._job(job, Trouble(*at, answered=answered))

    @rule(job=JOBS, at=AT, answered=st.booleans(), cuts=st.integers(1, 3))
    def cut(self, job, at, answered, cuts) -> None:
        """The connection drops there, so many times."""
        self._job(job, Trouble(*at, answered=answered, cuts=cuts))

    @rule(job=JOBS, at=AT, found=st.dictionaries(IDS, VALUES, max_size=4), which=st.lists(WHICH, max_size=2))
    def run_beside_saves(self, job, at, found, which) -> None:
        """Games change just before message `at` of the job."""

        def meanwhile() -> None:
            self._save(found)
            self._remove({game_id for one in which if (game_id := self._find(one))})

        if job == "clean_up":  # what it drops is then of no state of the table
            meanwhile()
        self._job(job, Trouble(*at, meanwhile=meanwhile))

    @rule(job=JOBS, at=AT, other=st.sampled_from(["apply", "rebuild"]))
    def run_overtaken(self, job, at, other) -> None:
        """The job stalls before message `at` until its lock runs out and another writer has done its work."""

        def meanwhile() -> None:
            _lock_runs_out()
            self._do(other)

        if job == "clean_up":  # see above
            self._lock_runs_out()
            self._do("apply")
            self.holds()
        self._job(job, Trouble(*at, meanwhile=meanwhile))

    @rule(job=JOBS, at=AT)
    def run_while_redis_is_flushed(self, job, at) -> None:
        self._job(job, Trouble(*at, meanwhile=self._flush))

    @rule()
    def stall(self) -> None:
        """A writer reads what is marked and its rows, and then does not go on."""
        self._lock_runs_out()
        with writer_lock() as writer:
            marked = pending.oldest(500)
            self.stalled = (writer, marked, games_by_id(marked), view_settings.conditions()) if marked else None
        self.unheard = set()

    @precondition(lambda self: self.stalled)
    @rule()
    def stalled_writer_goes_on(self) -> None:
        writer, marked, rows, conditions = self.stalled
        self.stalled = None
        of_view = self.seen.whole and [str(condition) for condition in conditions] == self.seen.conditions
        newest = self.seen.values.get("writer") == str(writer.token).encode()
        try:
            apply(writer, marked, rows, conditions)
        except WriterFenced:
            assert not newest
        except NoView:
            assert self.absent or self.hurt or not of_view
        else:
            assert newest
            self.hurt = self.hurt or not of_view  # a dump of other conditions with its token: it counts only its own
            self.lost |= self.unheard  # it applied what it had read of them

    @rule()
    def drain(self) -> None:
        """Whatever happened, the jobs that heal it make the view equal to the table."""
        self._heal()
        self._check_drained()

    # Redis loses and forgets ------------------------------------------------------------------------------------------

    @rule()
    def flush(self) -> None:
        self._flush()

    @rule()
    def dump_view(self) -> None:
        with connections.guarded_client("state") as client:
            keys = client.keys(PREFIX + "*")
            values = [(key, client.dump(key), max(client.pttl(key), 0)) for key in keys]
        self.dump = (values, self.hurt, self.ahead, self.absent, [dict(games) for games in self.below])

    @precondition(lambda self: self.dump)
    @rule()
    def restore_the_dump(self) -> None:
        values, self.hurt, self.ahead, self.absent, self.below = self.dump
        self.below = [dict(games) for games in self.below]
        with connections.guarded_client("state") as client:
            for key in client.keys(PREFIX + "*"):
                client.delete(key)
            for key, value, ttl in values:
                client.restore(key, ttl, value)
        now = picture.take()
        if now.whole:
            self.lost |= self._differing(now) - now.pending
        self.seen = now
        self.unheard = set(self.stalled[1]) if self.stalled else set()  # the marks since the dump are gone

    @rule(what=st.sampled_from(LOSSES))
    def lose(self, what) -> None:
        """One key, as by a hand that slipped or a server that evicts."""
        now = self.seen
        names = sorted(n for n in now.values if n == what or (what[-1] == ":" and n.startswith(what)))
        if not names:
            return
        with connections.guarded_client("state") as client:
            client.delete(PREFIX + names[-1])
        if what in ("version", "epoch", "state"):
            self.absent = True  # the next writer builds the view
        elif what == "pending":
            self.lost |= now.pending
            self.unheard |= now.pending
        elif what == "sequence":
            self.stalled = None  # its numbers are given again
        elif what.endswith(":") or what == "chunks":
            self.hurt = True

    # Clients read -----------------------------------------------------------------------------------------------------

    @rule(
        kind=st.sampled_from(questions.KINDS),
        count=st.sampled_from([1, 2, 12]),
        days=st.tuples(st.integers(0, 3), st.integers(1, 4)),
        at=st.integers(0, 3),
    )
    def read(self, kind, count, days, at) -> None:
        """While a writer gets in before message `at`. The answer is what the view of its version gives."""
        before = self.seen
        conditions = before.conditions if before.whole else settings.ANALYTICS_CONDITIONS
        span = (self.base_ms + days[0] * DAY_MS, self.base_ms + days[1] * DAY_MS)
        self._lock_runs_out()
        with troubled(Trouble(at, meanwhile=services.apply_pending)):
            answer = questions.ask(kind, conditions, count, *span)
        states = self._states()
        self.holds()
        states |= self._states()
        if self.hurt or not states or (self.ahead and kind in ("series", "longest")):
            return
        if answer is None:
            assert not (before.whole and self._answers_all(before) and before.epoch == self.seen.epoch)
            return
        head, found = answer
        of_version = states.get(head.version) or [games for known in states.values() for games in known]
        assert any(questions.expected(kind, games, conditions, count, *span) == found for games in of_version), found

    def _states(self) -> dict[int, list[Games]]:
        """Version -> the games that the view may stand for."""
        now = self.seen
        return {now.version: [now.ledger | known for known in self.below]} if now.whole else {}

    def _answers_all(self, now: Picture) -> bool:
        series = now.values.get("series", {})
        return not now.below and now.floor == 0 and all(condition in series for condition in now.conditions)

    # Settings ---------------------------------------------------------------------------------------------------------

    @rule(conditions=CONDITIONS)
    def configure(self, conditions) -> None:
        settings.ANALYTICS_CONDITIONS = conditions

    @rule(keep=KEEP_GAMES, days=KEEP_DAYS)
    def keep(self, keep, days) -> None:
        settings.ANALYTICS_LEDGER_GAMES = keep
        settings.ANALYTICS_BUCKET_DAYS = days

    # What must hold after every step ----------------------------------------------------------------------------------

    @invariant()
    def holds(self) -> None:
        now, before = picture.take(), self.seen
        self.seen = now
        assert all(ttl > 0 for ttl in now.staging.values()), now.staging
        self._check_version(before, now)
        if not now.whole:
            assert self.absent
            self.before = dict(self.table)
            return
        self._follow_view(before, now)
        if not self.hurt:
            assert not now.strangers, now.strangers
            self._check_nothing_is_lost(now)
            self._check_consistency(now)
        self.before = dict(self.table)

    def _check_version(self, before: Picture, now: Picture) -> None:
        if now.version is None or now.version == before.version:
            return
        assert now.version > self.newest_version
        self.newest_version = now.version
        if now.last_event is not None:
            assert now.last_event == b"%d-0" % now.version

    def _follow_view(self, before: Picture, now: Picture) -> None:
        """What the view may have taken in below its ledger, after it was built anew or dropped chunks."""
        if before.epoch != now.epoch:
            self.absent = self.hurt = self.ahead = False
            self.lost = set()
            self.below = [_below(self.before, now.floor), _below(self.table, now.floor)]
            # A test's transaction is no snapshot: of what was saved in the middle, the next block holds the newer.
            newest = max(self.before, default=0)
            later = {game_id: values for game_id, values in self.table.items() if game_id > newest}
            self.below.append(_below(self.before | later, now.floor))
        elif before.floor != now.floor:
            assert now.floor > before.floor
            self.below = [known | _below(before.ledger, now.floor) for known in self.below]

    def _check_nothing_is_lost(self, now: Picture) -> None:
        found_by_reconcile = now.pending - self.marked
        assert not found_by_reconcile
        differing = self._differing(now)
        self.lost &= differing
        assert differing <= now.pending | self.lost, differing - now.pending - self.lost

    def _differing(self, now: Picture) -> set[int]:
        """Ids whose games the view has not as the table has them."""
        ledger = now.ledger
        ids = {i for i in ledger.keys() | self.table.keys() if i >= now.floor and ledger.get(i) != self.table.get(i)}
        if not now.below:
            below = [_differing(known, _below(self.table, now.floor)) for known in self.below]
            ids |= min(below, key=len)
        return ids

    def _check_consistency(self, now: Picture) -> None:
        """Every cell is what the ledger and what was below it give."""
        actual = now.cells
        expected = [
            expected_cells(now.ledger | known, now.conditions, now.bucket_floor, now.floor) for known in self.below
        ]
        differences = [_differences(actual, _as_far_as_known(now, actual, cells)) for cells in expected]
        fits = [not found or self._ahead(now, found) for found in differences]
        assert any(fits), differences[-1]
        self.below = [known for known, fit in zip(self.below, fits, strict=True) if fit]
        assert any(
            int(now.state["below_end"]) >= max((e for _, e in known.values()), default=0) for known in self.below
        )

    def _ahead(self, now: Picture, found: dict) -> bool:
        """Series computed anew take games below the ledger from the table, which the counts may not know yet. A marked
        one is about to be; of one whose marking was lost only the look at every cell tells."""
        unknown = any(_differing(known, _below(self.table, now.floor)) for known in self.below)
        self.ahead = self.ahead or unknown
        return self.ahead and all(name.startswith("series:") for name in found)

    # ------------------------------------------------------------------------------------------------------------------

    def teardown(self) -> None:
        self._heal()
        self._check_drained()
        ViewMachine.finished += 1

    def _check_drained(self) -> None:
        self.holds()
        now = self.seen
        assert now.whole
        assert not now.below
        assert not now.pending
        assert not now.strangers, now.strangers
        assert now.conditions == [str(condition) for condition in view_settings.conditions()]
        differences = _differences(now.cells, expected_cells(self.table, now.conditions, now.bucket_floor, now.floor))
        assert not differences, differences
        self.below = [_below(self.table, now.floor)]

    def _heal(self) -> None:
        self._lock_runs_out()
        now = self.seen
        lost_below = {game_id for game_id in self.lost if now.whole and game_id < now.floor}
        if self.lost - lost_below:
            newest = sorted({game_id // CHUNK for game_id in self.table})[-2:]
            self._do("reconcile_newest" if {i // CHUNK for i in self.lost} <= set(newest) else "reconcile_all")
        if self.hurt or self.ahead or lost_below:
            self._do("mend")
        for _ in range(2):  # a change below the ledger is seen by the first and taken in by the second
            self._do("apply")

    def _do(self, job: str) -> object:
        self.marked |= self.table.keys()  # a writer marks what nobody did before the newest game
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
            case "mend":
                return view_maintenance.repair_aggregates()
        raise ValueError(job)

    def _reconcile(self, chunks: list[int]) -> object:
        self.marked |= self.table.keys() | self.seen.ledger.keys()
        return view_maintenance.reconcile(chunks)

    def _job(self, job: str, trouble: Trouble | None) -> None:
        self._lock_runs_out()
        try:
            with troubled(trouble):
                self._do(job)
        except Killed:
            pass
        except RedisUnavailable:
            assert trouble.cuts
        except (WriterFenced, LockHeld):
            assert job == "rebuild"

    def _lock_runs_out(self) -> None:
        """A lock that a dead writer left keeps others out until then."""
        if self.seen.locked:
            assert services.apply_pending() is None
            _lock_runs_out()
            self.seen.locked = False

    def _flush(self) -> None:
        with connections.guarded_client("state") as client:
            client.flushdb()
        self.absent, self.hurt = True, False

    def _find(self, which: str | int) -> int | None:
        """The first game, the newest, the only one that meets a condition, or just one of them."""
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
            self.lost |= set(ids)
            self.unheard |= set(ids)

    def _mark(self, ids: list[int]) -> None:
        self.marked |= set(ids)
        self.unheard -= set(ids)
        pending.mark(ids)


def _empty_servers() -> None:
    Game.objects.all()._raw_delete("default")
    with connections.guarded_client("state") as client:
        client.flushall()
    view_snapshot._chunk_hints = BoundedCache(view_snapshot.MAX_CHUNK_HINTS)  # a history begins as a new process does


def _lock_runs_out() -> None:
    with connections.guarded_client("state") as client:
        client.delete(LOCK.key(name="analytics-writer"))


def _below(known: Games, floor: int) -> Games:
    return {game_id: values for game_id, values in known.items() if game_id < floor}


def _as_far_as_known(now: Picture, actual: dict, expected: dict) -> dict:
    """With the view's own cells where it need not know better: a series to be computed anew; while changes below the
    ledger wait for the rebuild, which games are the first and the last."""
    known = dict(expected)
    for condition in now.conditions:
        if actual[f"series:{condition}"] is None:
            known |= {
                name: cells for name, cells in actual.items() if name.endswith(f":{condition}") and name[:6] == "series"
            }
    if now.below:
        for name in ["state", *(f"occurrences:{condition}" for condition in now.conditions)]:
            known[name] = {field: value for field, value in actual[name].items() if field.startswith(EXTREMES)}
            known[name] |= {field: value for field, value in expected[name].items() if not field.startswith(EXTREMES)}
    return known


def _differences(actual: dict, expected: dict) -> dict:
    """Of cells: name -> (as it is, as it should be)."""
    return {
        name: (actual.get(name), expected.get(name))
        for name in actual.keys() | expected.keys()
        if actual.get(name) != expected.get(name)
    }


def _differing(one: Games, other: Games) -> set[int]:
    return {game_id for game_id in one.keys() | other.keys() if one.get(game_id) != other.get(game_id)}
