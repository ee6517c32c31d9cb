"""The measures of a family's statistics, and the figures derived from them."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

ReadOutcome = Literal["hit", "local_hit", "stale", "miss", "bypass"]  # every read has one of these
# Other events. `warmed` is a read by warming, which counts as none of the read outcomes.
Incident = Literal["negative", "error", "wait", "lease_lost", "refused", "stored", "refreshed", "warmed"]
Event = Literal[ReadOutcome, Incident]
Operation = Literal["read", "compute", "store"]

READS: tuple[ReadOutcome, ...] = get_args(ReadOutcome)
INCIDENTS: tuple[Incident, ...] = get_args(Incident)
SERVED: tuple[ReadOutcome, ...] = ("hit", "local_hit", "stale")
OPERATIONS: tuple[Operation, ...] = get_args(Operation)

# Upper bounds of the latency histogram, from an L1 hit to a factory's time limit.
BOUNDS_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)

MICROSECONDS = {operation: f"{operation}_us" for operation in OPERATIONS}
BUCKETS = {operation: [f"{operation}_le_{i}" for i in range(len(BOUNDS_SECONDS) + 1)] for operation in OPERATIONS}


@dataclass(frozen=True, slots=True)
class Latency:
    """Durations of one operation: their sum, and the number per bucket of BOUNDS_SECONDS (the last: above all)."""

    seconds: float
    buckets: tuple[int, ...]

    @property
    def count(self) -> int:
        return sum(self.buckets)

    def quantile_seconds(self, fraction: float) -> float | None:
        """Return the upper bound of the quantile's bucket, infinity above the last one, or None without durations."""
        wanted, seen = fraction * self.count, 0
        for bound, amount in zip((*BOUNDS_SECONDS, float("inf")), self.buckets, strict=True):
            seen += amount
            if amount and seen >= wanted:
                return bound
        return None


@dataclass(frozen=True, slots=True)
class FamilyStats:
    """A family's totals over all processes."""

    family: str
    measures: Mapping[str, int]

    def events(self, *events: Event) -> int:
        return sum(self.measures.get(event, 0) for event in events)

    @property
    def reads(self) -> int:
        return self.events(*READS)

    @property
    def served(self) -> int:
        """Reads served from Redis or a process's memory, stale ones included."""
        return self.events(*SERVED)

    @property
    def hit_rate(self) -> float | None:
        """The share of reads that were served, 0 to 1, or None if nothing was read."""
        return self.served / self.reads if self.reads else None

    @property
    def raw_bytes(self) -> int:
        return self.measures.get("raw_bytes", 0)

    @property
    def stored_bytes(self) -> int:
        return self.measures.get("stored_bytes", 0)

    def latency(self, operation: Operation) -> Latency:
        buckets = tuple(self.measures.get(bucket, 0) for bucket in BUCKETS[operation])
        return Latency(self.measures.get(MICROSECONDS[operation], 0) / 1_000_000, buckets)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The statistics at one moment.

    While the state role is unavailable `complete` is false: the totals are then the last ones read by this process
    plus its own counts since.
    """

    families: tuple[FamilyStats, ...]
    complete: bool
    since_ms: int | None

    @property
    def total(self) -> FamilyStats:
        return FamilyStats("total", _sum(family.measures for family in self.families))

    def family(self, name: str) -> FamilyStats:
        """Return a family's statistics; all are zero if nothing was counted."""
        return next((family for family in self.families if family.family == name), FamilyStats(name, {}))


def _sum(all_measures: Iterable[Mapping[str, int]]) -> dict[str, int]:
    totals: defaultdict[str, int] = defaultdict(int)
    for measures in all_measures:
        for name, amount in measures.items():
            totals[name] += amount
    return dict(totals)
