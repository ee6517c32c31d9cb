"""The keys of the live view.

All of them share the hash tag {analytics}, so they lie in one slot of a Redis Cluster and one script may touch all of
them. The keys of a view that is being built begin with {analytics}:staging:<token>: until the view is swapped in.
"""

from dataclasses import dataclass
from functools import partial

from cachecore.keys import Family
from cachecore.versions import Namespace
from games.keys import GAMES

_family = partial(Family, role="state", ttl_seconds=None)
_APPLY = "analytics.live.apply_games (lua/apply_games.lua), analytics.live.rebuild"

VERSION = _family(
    name="analytics-version",
    pattern="{{analytics}}:version",
    type="string",
    holds="the view's version, max(version + 1, server time in ms), raised per applied batch",
    written_by=_APPLY,
    purged_by="never; if it is lost, the next writer sets a higher one",
    bounded_by="one key",
)
EPOCH = _family(
    name="analytics-epoch",
    pattern="{{analytics}}:epoch",
    type="string",
    holds="random, replaced by every rebuild; absent: there is no view",
    written_by="analytics.live.rebuild",
    purged_by="the next rebuild",
    bounded_by="one key",
)
WRITER = _family(
    name="analytics-writer",
    pattern="{{analytics}}:writer",
    type="string",
    holds="the newest writer's fencing token; the scripts reject every other token",
    written_by="analytics.live.writer_lock",
    purged_by="never",
    bounded_by="one key",
)
PENDING = _family(
    name="analytics-pending",
    pattern="{{analytics}}:pending",
    type="zset",
    holds="ids of games to apply; score = sequence number, about the time in ms at which the game was marked pending",
    written_by="analytics.live.pending",
    purged_by="lua/apply_games.lua, id by id",
    bounded_by="the games saved since the last batch",
)
SEQUENCE = _family(
    name="analytics-sequence",
    pattern="{{analytics}}:sequence",
    type="string",
    holds="the last sequence number given to a pending game",
    written_by="analytics.live.pending",
    purged_by="never",
    bounded_by="one key",
)
WAKEUP_MARKER = Family(
    name="analytics-woken",
    pattern="{{analytics}}:woken",
    role="state",
    type="string",
    ttl_seconds=2,
    holds="present while a task that wakes a writer is queued",
    written_by="analytics.wakeup.wake_writer",
    purged_by="the writer when it starts, otherwise its TTL",
)
STATE = _family(
    name="analytics-state",
    pattern="{{analytics}}:{staging}state",
    type="hash",
    holds="games; first, head (oldest and newest id, with _time in ms); floor (oldest retained id); bucket_floor (unix "
    "s); below (changes below the floor that no rebuild has applied); below_end (latest end time below the floor, ms); "
    "conditions; built_ms",
    written_by=_APPLY,
    purged_by="the next rebuild",
    bounded_by="one key",
)
CHUNKS = _family(
    name="analytics-chunks",
    pattern="{{analytics}}:{staging}chunks",
    type="hash",
    holds="chunk number -> 'games timed min_end_ms max_end_ms'; the counts are exact, the bounds only widen",
    written_by=_APPLY,
    purged_by="whatever deletes the chunk",
    bounded_by="ANALYTICS_LEDGER_GAMES / 4096 fields",
)
LEDGER = _family(
    name="analytics-ledger",
    pattern="{{analytics}}:{staging}ledger:{chunk}",
    type="string",
    holds="4096 games by id, 12 bytes each: crash point in hundredths, end time in ms (big-endian, 6 bytes; 0 = none)",
    written_by=_APPLY,
    purged_by="analytics.live.retention",
    bounded_by="ANALYTICS_LEDGER_GAMES games, 12 bytes each",
)
OCCURRENCES = _family(
    name="analytics-occurrences",
    pattern="{{analytics}}:{staging}occurrences:{condition}",
    type="hash",
    holds="count, total_games, first_game, first_game_time, last_game, last_game_time (of the games that met it; ms)",
    written_by=_APPLY,
    purged_by="the next rebuild",
    bounded_by="one key per configured condition",
)
INTERVALS = _family(
    name="analytics-intervals",
    pattern="{{analytics}}:{staging}intervals:{condition}",
    type="hash",
    holds="bucket_<unix s> -> games that met it in those ten minutes; `all` counts every game",
    written_by=_APPLY,
    purged_by="analytics.live.retention",
    bounded_by="ANALYTICS_BUCKET_DAYS * 144 fields per configured condition",
)

SERIES = _family(
    name="analytics-series",
    pattern="{{analytics}}:{staging}series",
    type="hash",
    holds="condition -> 'start end length closer streak before' of its newest series (live.series.Newest); "
    "absent: the writer is recomputing it",
    written_by=_APPLY + ", analytics.live.series",
    purged_by="lua/apply_games.lua when an older game changes; the next rebuild",
    bounded_by="one field per configured condition",
)
CLOSED_SERIES = _family(
    name="analytics-series-closed",
    pattern="{{analytics}}:{staging}series:closed:{condition}",
    type="zset",
    holds="the last 1,000 series before the newest, 'start end length closer streak'; score = end game",
    written_by=SERIES.written_by,
    purged_by=SERIES.purged_by,
    bounded_by="1,000 members per configured condition",
)
LONGEST_SERIES = _family(
    name="analytics-series-longest",
    pattern="{{analytics}}:{staging}series:longest:{condition}",
    type="zset",
    holds="the ten longest series before the newest, 'start end length closer streak'; score = length",
    written_by=SERIES.written_by,
    purged_by=SERIES.purged_by,
    bounded_by="ten members per configured condition",
)
EVENTS = _family(
    name="analytics-events",
    pattern="{{analytics}}:events",
    type="stream",
    holds="what each batch changed, as JSON in the field `event`; id = <version>-0",
    written_by="lua/apply_games.lua, lua/swap_view.lua",
    purged_by="the next rebuild",
    bounded_by="about 4,096 entries of at most 20 games each",
)

DRIFTED = _family(
    name="analytics-drifted",
    pattern="{{analytics}}:drifted",
    type="set",
    holds="games that reconcile found to differ and that are not applied yet",
    written_by="analytics.live.repairs",
    purged_by="analytics.live.repairs.count_applied_repairs",
    bounded_by="the games found to differ since the last writer's run",
)
REPAIRS = _family(
    name="analytics-repairs",
    pattern="{{analytics}}:repairs",
    type="hash",
    holds="found, repaired: number of games and cells that differed from the table",
    written_by="analytics.live.repairs",
    purged_by="never",
    bounded_by="two fields",
)

PREFIX = "{analytics}:"
# Keys that a rebuild does not remove.
COORDINATION = (VERSION, EPOCH, WRITER, PENDING, SEQUENCE, WAKEUP_MARKER, EVENTS, DRIFTED, REPAIRS)

UPDATES_CHANNEL = "analytics_updates"
ANALYTICS = Namespace("analytics", VERSION.key(), UPDATES_CHANNEL, follows=GAMES)

CHUNK_GAMES = 4096
BUCKET_SECONDS = 10 * 60
MAX_CLOSED_SERIES = 1_000
MAX_LONGEST_SERIES = 10
ALL = "all"  # takes the place of a condition in the key of INTERVALS that counts every game


@dataclass(frozen=True, slots=True)
class ViewKeys:
    """The keys of one view: of the live one, or of one that is being built."""

    staging: str = ""

    @property
    def state(self) -> str:
        return STATE.key(staging=self.staging)

    @property
    def chunks(self) -> str:
        return CHUNKS.key(staging=self.staging)

    def ledger(self, chunk: int | str) -> str:
        return LEDGER.key(staging=self.staging, chunk=chunk)

    def occurrences(self, condition: object) -> str:
        return OCCURRENCES.key(staging=self.staging, condition=condition)

    def intervals(self, condition: object) -> str:
        return INTERVALS.key(staging=self.staging, condition=condition)

    @property
    def series(self) -> str:
        return SERIES.key(staging=self.staging)

    def closed_series(self, condition: object) -> str:
        return CLOSED_SERIES.key(staging=self.staging, condition=condition)

    def longest_series(self, condition: object) -> str:
        return LONGEST_SERIES.key(staging=self.staging, condition=condition)

    def condition_keys(self, condition: object) -> tuple[str, str, str, str]:
        """Return the keys of one condition in the order in which the scripts expect them."""
        return (
            self.occurrences(condition),
            self.intervals(condition),
            self.closed_series(condition),
            self.longest_series(condition),
        )


LIVE = ViewKeys()


def staging_keys(token: int) -> ViewKeys:
    """Return the keys of a view that one writer builds.

    They contain the writer's token, so a writer that stalled cannot write into the build of the next one.
    """
    return ViewKeys(f"staging:{token}:")
