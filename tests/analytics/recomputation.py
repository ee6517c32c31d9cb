"""Every response of the analytics API by plain recomputation: loops over a dictionary of games, exact arithmetic.

Nothing is shared with the code under test. Parameters are texts, as a client sends them. Responses are as JSON is read,
with times as `datetime.isoformat` writes them.
"""

import hashlib
import hmac
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import cache, cached_property
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

Json = dict[str, Any]
Params = dict[str, str]

MINUTE_MS = 60_000
MAX_ROWS = 10_000
LISTED = 100
EDGE_PERCENT = 1
SALT = "000000000000000000030587dd9ded1fcc5d603652da58deb670319bd2e09445"  # BC.Game 5,282,961 to 5,929,890 at least
DEFAULT_BINS = "1,1.01,1.1,1.2,1.35,1.5,1.75,2,2.5,3,4,5,7.5,10,20,50"
WINDOWS = ("games", "hours", "since", "until", "all")


@dataclass(frozen=True)
class World:
    """Recorded games: id -> (crash point in hundredths, end in Unix ms or 0), and the hashes of those that have one."""

    games: dict[int, tuple[int, int]]
    hashes: dict[int, str] = field(default_factory=dict)
    source: str = "test"
    formula: str = ""
    round_ms: int = 0  # from prepare to end; 0: those times are unknown

    @cached_property
    def ids(self) -> list[int]:
        return sorted(self.games)


class InvalidParameter(Exception):
    """A 400 that names the parameter."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(name, reason)

    @property
    def body(self) -> Json:
        name, reason = self.args
        return {"detail": "Invalid input.", "errors": {name: [reason]}}


def too_many_rows(name: str, rows: int) -> InvalidParameter:
    return InvalidParameter(name, f"Would give {rows} rows; at most {MAX_ROWS} are allowed.")


def expected_response(endpoint: str, params: Params, world: World, now_ms: int) -> tuple[int, Json]:
    """Return status and body, without source, version and epoch."""
    zone = params.get("tz", "UTC")
    try:
        window, results = ENDPOINTS[endpoint](params, world, now_ms, zone)
    except InvalidParameter as error:
        return 400, error.body
    return 200, {
        "meta": {"generated_at": at(now_ms, zone), "timezone": zone, "window": window},
        "results": results,
    }


# Times, shares, conditions -------------------------------------------------------------------------------------------


def at(ms: int | None, zone: str) -> str | None:
    if not ms:
        return None
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)).astimezone(ZoneInfo(zone)).isoformat()


def to_ms(text: str) -> int:
    return (datetime.fromisoformat(text) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def share(count: int, games: int) -> float | None:
    return round(float(Fraction(100 * count, games)), 4) if games else None


def at_least(hundredths: int) -> Fraction:
    """Return P(X >= hundredths / 100) by formula A."""
    return Fraction(1) if hundredths <= 100 else Fraction(100 - EDGE_PERCENT, hundredths)


@dataclass(frozen=True)
class ConditionCheck:
    """A condition: its name, a function that checks a crash point in hundredths, its probability."""

    name: str
    meets: Callable[[int], bool]
    chance: Fraction


def conditions(params: Params) -> list[ConditionCheck]:
    [kind] = [kind for kind in ("min", "max", "floor") if kind in params]
    values = dict.fromkeys(int(Decimal(text) * 100) for text in params[kind].split(","))
    return [_condition_check(kind, value) for value in values]


def _condition_check(kind: str, value: int) -> ConditionCheck:
    name = f"{kind}:{Decimal(value) / 100:f}"
    if kind == "min":
        return ConditionCheck(name, lambda crash: crash >= value, at_least(value))
    if kind == "max":
        return ConditionCheck(name, lambda crash: crash <= value, 1 - at_least(value + 1))
    return ConditionCheck(name, lambda crash: crash // 100 == value // 100, at_least(value) - at_least(value + 100))


# Windows -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Span:
    """A window: the newest `count` games after `skip` newer ones, or the games that ended in [start, end), or all."""

    kind: str
    requested: Any
    count: int = 0
    skip: int = 0
    start: int = 0
    end: int = 0

    @property
    def of_time(self) -> bool:
        return self.kind in ("hours", "range")

    def before(self) -> "Span":
        if self.kind == "games":
            return Span("games", None, count=self.count, skip=self.skip + self.count)
        return Span(self.kind, None, start=self.start - (self.end - self.start), end=self.start)

    def ids(self, world: World) -> list[int]:
        ids = world.ids
        if self.kind == "all":
            return ids
        if self.kind == "games":
            return ids[: max(0, len(ids) - self.skip)][-self.count :]
        return [i for i in ids if world.games[i][1] and self.start <= world.games[i][1] < self.end]

    def whole(self, world: World) -> bool:
        """Return True if the data reach back to the start of the window."""
        if self.kind == "all":
            return True
        if self.kind == "games":
            return len(self.ids(world)) == self.count
        return any(end_ms and end_ms <= self.start for _, end_ms in world.games.values())


def span(params: Params, default: Params, now_ms: int, zone: str) -> Span:
    given = {name: params[name] for name in WINDOWS if name in params} or default
    if "all" in given:
        return Span("all", True)
    if "games" in given:
        return Span("games", int(given["games"]), count=int(given["games"]))
    if "hours" in given:
        length = int(Decimal(given["hours"]) * 60 * MINUTE_MS)
        return Span("hours", float(given["hours"]), start=now_ms - length, end=now_ms)
    requested = {name: at(to_ms(given[name]), zone) for name in ("since", "until") if name in given}
    until = to_ms(given["until"]) if "until" in given else now_ms
    return Span("range", requested, start=to_ms(given["since"]), end=min(until, now_ms))


def window_meta(window: Span, world: World, zone: str) -> Json:
    """Return `meta.window`."""
    ids = window.ids(world)
    recorded = sum(ids[0] <= i <= ids[-1] for i in world.games) if ids else 0
    start, end = window.start, window.end
    if not window.of_time:
        start, end = (world.games[ids[0]][1], world.games[ids[-1]][1]) if ids else (0, 0)
    return {
        "kind": window.kind,
        "requested": window.requested,
        "from": at(start, zone),
        "to": at(end, zone),
        "first_game": ids[0] if ids else None,
        "last_game": ids[-1] if ids else None,
        "games": len(ids),
        "missing_games": ids[-1] - ids[0] + 1 - recorded if ids else 0,
        "complete": window.whole(world),
    }


# Endpoints -----------------------------------------------------------------------------------------------------------

WindowAndResults = tuple[Json, list[Json]]


def occurrences(params: Params, world: World, now_ms: int, zone: str) -> WindowAndResults:
    window = span(params, {"games": "100"}, now_ms, zone)
    results = []
    for one in conditions(params):
        result = {
            "condition": one.name,
            **_counts(one, window.ids(world), world, zone),
            "expected_percentage": round(float(100 * one.chance), 4),
        }
        if "compare" in params:
            result |= _comparison(one, window, world, zone)
        results.append(result)
    return window_meta(window, world, zone), results


def _counts(one: ConditionCheck, ids: list[int], world: World, zone: str) -> Json:
    met = [i for i in ids if one.meets(world.games[i][0])]
    return {
        "count": len(met),
        "games": len(ids),
        "percentage": share(len(met), len(ids)),
        "first_game_time": at(world.games[met[0]][1], zone) if met else None,
        "last_game_time": at(world.games[met[-1]][1], zone) if met else None,
    }


def _comparison(one: ConditionCheck, window: Span, world: World, zone: str) -> Json:
    if window.kind == "all":
        return {"previous": None, "change": None, "reason": "All games have no previous window."}
    before = window.before()
    earlier = _counts(one, before.ids(world), world, zone)
    comparison = {"previous": earlier | {"complete": before.whole(world)}, "change": None}
    if not window.whole(world):
        return comparison | {"reason": "The data do not cover the whole window."}
    if not before.whole(world):
        return comparison | {"reason": "The data do not cover the whole previous window."}
    now = _counts(one, window.ids(world), world, zone)
    points = None
    if now["games"] and earlier["games"]:
        shares = [Fraction(100 * part["count"], part["games"]) for part in (now, earlier)]
        points = round(float(shares[0] - shares[1]), 4)
    return comparison | {
        "change": {"count": now["count"] - earlier["count"], "percentage_points": points},
        "reason": None,
    }


def intervals(params: Params, world: World, now_ms: int, zone: str) -> WindowAndResults:
    width = int(params.get("interval", "10")) * MINUTE_MS
    window = span(params, {"hours": "24"}, now_ms, zone)
    if window.kind == "hours":  # whole intervals, of which the last is open
        open_end = now_ms - now_ms % width + width
        window = Span("hours", window.requested, start=open_end - (window.end - window.start), end=now_ms)
    starts = list(range(window.start - window.start % width, window.end, width))
    checks = conditions(params)
    if len(starts) * len(checks) > MAX_ROWS:
        raise too_many_rows("interval", len(starts) * len(checks))
    inside = window.ids(world)
    by_start: dict[int, list[int]] = {start: [] for start in starts}
    for i in inside:
        by_start[world.games[i][1] // width * width].append(i)
    since = window.start if window.whole(world) else min((world.games[i][1] for i in inside), default=math.inf)
    results = []
    for one in checks:
        rows = []
        for start, ids in by_start.items():
            count = sum(one.meets(world.games[i][0]) for i in ids)
            rows.append(
                {
                    "start": at(start, zone),
                    "end": at(start + width, zone),
                    "count": count,
                    "games": len(ids),
                    "percentage": share(count, len(ids)),
                    "complete": since <= start and window.start <= start and start + width <= window.end,
                }
            )
        results.append({"condition": one.name, "interval_minutes": width // MINUTE_MS, "intervals": rows})
    return window_meta(window, world, zone), results


def game_sets(params: Params, world: World, now_ms: int, zone: str) -> WindowAndResults:
    size = int(params.get("size", "10"))
    window = span(params, {"games": "1000"}, now_ms, zone)
    inside, checks = window.ids(world), conditions(params)
    sets: dict[int, list[int]] = {}
    for i in reversed(inside):
        sets.setdefault(i // size, []).insert(0, i)
    if len(sets) * len(checks) > MAX_ROWS:
        raise too_many_rows("size", len(sets) * len(checks))
    results = []
    for one in checks:
        rows = []
        for number, ids in sets.items():
            count = sum(one.meets(world.games[i][0]) for i in ids)
            spanned = range(max(number * size, inside[0]), min(number * size + size - 1, inside[-1]) + 1)
            rows.append(
                {
                    "first_game": ids[0],
                    "last_game": ids[-1],
                    "start": at(world.games[ids[0]][1], zone),
                    "end": at(world.games[ids[-1]][1], zone),
                    "count": count,
                    "games": len(ids),
                    "missing": sum(i not in world.games for i in spanned),
                    "percentage": share(count, len(ids)),
                    "complete": len(ids) == size,
                }
            )
        results.append({"condition": one.name, "size": size, "sets": rows})
    return window_meta(window, world, zone), results


def series(params: Params, world: World, now_ms: int, zone: str) -> WindowAndResults:
    limit, checks = int(params.get("limit", "100")), conditions(params)
    if limit * len(checks) > MAX_ROWS:
        raise too_many_rows("limit", limit * len(checks))
    window = span(params, {"games": "1000"}, now_ms, zone)
    inside = window.ids(world)
    results = []
    for one in checks:
        found = [s for s in runs(one, world) if inside and s.missed[-1] >= inside[0] and s.missed[0] <= inside[-1]]
        lengths = [len(s.missed) for s in found]
        current = None
        if inside and inside[-1] == world.ids[-1]:
            current = lengths[-1] if found and not found[-1].met else 0
        ordered = found[::-1]
        if params.get("sort") == "length":
            ordered.sort(key=lambda s: len(s.missed), reverse=True)  # stable: of equals the newest
        first = inside[0] if inside and window.kind != "all" else 0
        results.append(
            {
                "condition": one.name,
                "summary": {
                    "count": len(found),
                    "longest": max(lengths, default=None),
                    "current": current,
                    "mean": round(float(Fraction(sum(lengths), len(lengths))), 4) if lengths else None,
                },
                "series": [_series_row(s, world, first, zone) for s in ordered[:limit]],
            }
        )
    return window_meta(window, world, zone), results


@dataclass(frozen=True)
class Run:
    """Ids of games in a row that missed a condition, and of those that then met it, up to the next that missed."""

    missed: list[int]
    met: list[int]


def runs(one: ConditionCheck, world: World) -> list[Run]:
    """Return every series, oldest first."""
    found: list[Run] = []
    for i in world.ids:
        if one.meets(world.games[i][0]):
            if found:
                found[-1].met.append(i)
        elif found and not found[-1].met:
            found[-1].missed.append(i)
        else:
            found.append(Run([i], []))
    return found


def _series_row(run: Run, world: World, first: int, zone: str) -> Json:
    start, end = run.missed[0], run.missed[-1]
    return {
        "start_game": start,
        "end_game": end,
        "start_time": at(world.games[start][1], zone),
        "end_time": at(world.games[end][1], zone),
        "length": len(run.missed),
        "closed_by": {"game_id": run.met[0], "crash_point": world.games[run.met[0]][0] / 100} if run.met else None,
        "follow_streak": len(run.met),
        "starts_before_window": start < first,
    }


def last_games(params: Params, world: World, now_ms: int, zone: str) -> WindowAndResults:
    limit = int(params.get("limit", "1"))
    newest_first = world.ids[::-1]
    results = []
    for one in conditions(params):
        met = [i for i in newest_first if one.meets(world.games[i][0])]
        results.append(
            {
                "condition": one.name,
                "games_since": newest_first.index(met[0]) if met else None,
                "games": [game(i, world, zone) for i in met[:limit]],
                "expected_gap": round(float(1 / one.chance), 4),
                "next_probability": float(one.chance),
            }
        )
    return window_meta(Span("all", True), world, zone), results


def distribution(params: Params, world: World, now_ms: int, zone: str) -> WindowAndResults:
    window = span(params, {"games": "10000"}, now_ms, zone)
    ids = window.ids(world)
    bins = _bins(params.get("bins", DEFAULT_BINS), ids, world)
    return window_meta(window, world, zone), [{"games": len(ids), "bins": [_bin_row(*one, len(ids)) for one in bins]}]


Bin = tuple[int, int | None, int, Fraction]  # from, below, games, chance


def _bins(text: str, ids: list[int], world: World) -> list[Bin]:
    edges = [int(Decimal(one) * 100) for one in text.split(",")]
    bins = []
    for low, high in zip(edges, [*edges[1:], None], strict=True):
        count = sum(low <= world.games[i][0] < (high or math.inf) for i in ids)
        bins.append((low, high, count, at_least(low) - (at_least(high) if high else 0)))
    return bins


def _bin_row(low: int, high: int | None, count: int, chance: Fraction, games: int) -> Json:
    return {
        "from": low / 100,
        "to": high / 100 if high else None,
        "count": count,
        "percentage": share(count, games),
        "expected_count": round(float(chance * games), 4),
        "expected_percentage": round(float(100 * chance), 4),
    }


def volatility(params: Params, world: World, now_ms: int, zone: str) -> WindowAndResults:
    size = int(params.get("size", "100"))
    window = span(params, {"games": "1000"}, now_ms, zone)
    left, blocks = window.ids(world), []
    while left:
        left, block = left[:-size], left[-size:]
        logs = [math.log(world.games[i][0] / 100) for i in block]
        mean = math.fsum(logs) / len(logs)
        squares = math.fsum((one - mean) ** 2 for one in logs)
        blocks.append(
            {
                "first_game": block[0],
                "last_game": block[-1],
                "start": at(world.games[block[0]][1], zone),
                "end": at(world.games[block[-1]][1], zone),
                "games": len(block),
                "mean": round(mean, 6),
                "deviation": round(math.sqrt(squares / (len(logs) - 1)), 6) if len(logs) > 1 else None,
                "complete": len(block) == size,
            }
        )
    mean, deviation = _moments()
    result = {"size": size, "expected_mean": mean, "expected_deviation": deviation, "blocks": blocks}
    return window_meta(window, world, zone), [result]


@cache
def _moments() -> tuple[float, float]:
    """Return mean and deviation of ln X where P(X = k / 100) = 99 / (k (k + 1)): summed up to n, integrated above.

    From n on the sum over f(k) / (k (k + 1)) is that of f(x - 1/2) / x^2 by the midpoint rule, to 1 / n^3.
    """
    n, weight = 200_000, 100 - EDGE_PERCENT
    chances = [(math.log(k / 100), weight / (k * (k + 1))) for k in range(101, n)]
    end = math.log((n - 0.5) / 100)
    mean = math.fsum(log * chance for log, chance in chances) + weight * (end + 1) / n
    square = math.fsum(log**2 * chance for log, chance in chances) + weight * (end**2 + 2 * end + 2) / n
    return round(mean, 6), round(math.sqrt(square - mean**2), 6)


def audit(params: Params, world: World, now_ms: int, zone: str) -> WindowAndResults:
    window = span(params, {"all": "true"}, now_ms, zone)
    ids = window.ids(world)
    verdicts = {i: verified(i, world) for i in ids}
    links = {i: linked(i, world) for i in ids}
    gaps = _gaps(ids, world)
    bins = _bins(DEFAULT_BINS, ids, world)
    result = {
        "verified": sum(one is True for one in verdicts.values()),
        "mismatched": sum(one is False for one in verdicts.values()),
        "unverifiable": sum(one is None for one in verdicts.values()),
        "mismatched_games": [i for i in reversed(ids) if verdicts[i] is False][:LISTED],
        "chain": {
            "linked": sum(one is True for one in links.values()),
            "broken": sum(one is False for one in links.values()),
            "not_checkable": sum(one is None for one in links.values()),
            "broken_games": [i for i in reversed(ids) if links[i] is False][:LISTED],
        },
        "gaps": {
            "count": len(gaps),
            "missing_games": sum(last - first + 1 for first, last in gaps),
            "ranges": [
                {"first_game": first, "last_game": last, "games": last - first + 1} for first, last in gaps[:LISTED]
            ],
        },
        "fit": _fit(bins, len(ids)) | {"bins": [_bin_row(*one, len(ids)) for one in bins]},
    }
    return window_meta(window, world, zone), [result]


def _gaps(ids: list[int], world: World) -> list[tuple[int, int]]:
    """Return the ids without a record between the first and last game of the window, as ranges, newest first."""
    recorded = [i for i in world.ids if ids and ids[0] <= i <= ids[-1]]
    return [(earlier + 1, later - 1) for earlier, later in pairwise(recorded) if later > earlier + 1][::-1]


def _fit(bins: list[Bin], games: int) -> Json:
    """Return the fit. A bin that expects fewer than five games is joined with the next lower one."""
    joined: list[tuple[int, Fraction]] = []
    for _, _, count, chance in bins:
        if joined and (chance * games < 5 or joined[-1][1] < 5):
            before = joined.pop()
            joined.append((before[0] + count, before[1] + chance * games))
        else:
            joined.append((count, chance * games))
    if len(joined) < 2:
        return {"chi_square": None, "degrees_of_freedom": None, "p_value": None}
    chi_square = float(sum((count - expected) ** 2 / expected for count, expected in joined))
    freedom = len(joined) - 1
    return {
        "chi_square": round(chi_square, 4),
        "degrees_of_freedom": freedom,
        "p_value": round(beyond(chi_square, freedom), 6),
    }


def beyond(chi_square: float, freedom: int) -> float:
    """Return P(larger chi-square): finite sums for whole degrees of freedom (Abramowitz, Stegun 26.4.4-5)."""
    half = chi_square / 2
    if freedom % 2:
        terms = [half ** (j - 0.5) / math.gamma(j + 0.5) for j in range(1, (freedom + 1) // 2)]
        return math.erfc(math.sqrt(half)) + math.exp(-half) * math.fsum(terms)
    return math.exp(-half) * math.fsum(half**j / math.factorial(j) for j in range(freedom // 2))


ENDPOINTS: dict[str, Callable[[Params, World, int, str], WindowAndResults]] = {
    "occurrences": occurrences,
    "intervals": intervals,
    "game-sets": game_sets,
    "series": series,
    "last-games": last_games,
    "distribution": distribution,
    "volatility": volatility,
    "audit": audit,
}

# Hashes --------------------------------------------------------------------------------------------------------------


def calculated(game_id: int, world: World) -> int | None:
    """Return the hundredths by formula A with nine digits, BC.Game's third era."""
    if game_id not in world.hashes:
        return None
    digits = hmac.new(SALT.encode(), bytes.fromhex(world.hashes[game_id]), hashlib.sha256).hexdigest()[:13]
    u = float(f"{int(digits, 16) / 2**52:.9g}")
    return max(100, math.floor((100 - EDGE_PERCENT) / (1 - u)))


def verified(game_id: int, world: World) -> bool | None:
    found = calculated(game_id, world)
    return None if found is None else found == world.games[game_id][0]


def linked(game_id: int, world: World) -> bool | None:
    if not {game_id, game_id - 1} <= world.hashes.keys():
        return None
    return hashlib.sha256(world.hashes[game_id].encode()).hexdigest() == world.hashes[game_id - 1]


def game(game_id: int, world: World, zone: str) -> Json:
    """Return one game as the API serializes it."""
    crash, end_ms = world.games[game_id]
    found = calculated(game_id, world)
    prepare = end_ms - world.round_ms if world.round_ms and end_ms else None
    return {
        "game_id": game_id,
        "hash": world.hashes.get(game_id),
        "crash_point": crash / 100,
        "crashed_floor": crash // 100,
        "calculated_point": None if found is None else found / 100,
        "verified": verified(game_id, world),
        "formula": world.formula,
        "prepare_time": at(prepare, zone),
        "begin_time": at(prepare + 5_000, zone) if prepare else None,
        "end_time": at(end_ms, zone),
        "source": world.source,
    }
