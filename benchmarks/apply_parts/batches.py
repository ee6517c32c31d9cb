"""Games in order, so many a call: the script beside one HINCRBY per counter and beside counting anew in SQL.

python -m benchmarks.apply_parts.batches ROUNDS CALLS     run by benchmarks.apply, on its servers
"""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median, quantiles

import django

django.setup()

from django.db import connection  # noqa: E402

from analytics import services, view_settings  # noqa: E402
from analytics.columns import Columns  # noqa: E402
from analytics.conditions import Condition  # noqa: E402
from analytics.live import pending  # noqa: E402
from analytics.live.apply_games import apply  # noqa: E402
from analytics.live.writer_lock import Writer, writer_lock  # noqa: E402
from benchmarks import _table  # noqa: E402
from benchmarks._harness import Spread, table  # noqa: E402
from benchmarks.apply_parts import counters  # noqa: E402
from benchmarks.apply_parts.commands import spent_us  # noqa: E402
from cachecore.clock import now_ms  # noqa: E402

SIZES = (1, 10, 100, 500)
AIMS = {1: "p99 <= 1 ms; ratio >= 0.7", 10: "", 100: ">= 40,000 games/s", 500: ">= 40,000 games/s; ratio >= 2"}
BEFORE = 100_000  # games that are there already
SQL_CALLS = 3


@dataclass(frozen=True, slots=True)
class Run:
    """One way, one size, one round."""

    call_ms: list[float]
    games: int
    server_us: float  # a game

    @property
    def games_per_second(self) -> float:
        return self.games / (sum(self.call_ms) / 1000)


Runs = dict[int, list[Run]]


def main(rounds: int, calls: int) -> None:
    conditions = view_settings.conditions()
    games = _table.generated(BEFORE + _needed(rounds, calls), now_ms())
    _table.copy(part(games, 0, BEFORE))
    _table.settle()
    services.rebuild_view()
    counters.copied_from_view(conditions)
    ours: Runs = {size: [] for size in SIZES}
    theirs: Runs = {size: [] for size in SIZES}
    one, sql = [], []
    batches = _batches(games, calls)
    with writer_lock() as writer:
        for number in range(-1, rounds):
            for size in SIZES:
                writer.extend()
                found = _round(writer, conditions, [next(batches) for _ in range(calls_of(size, calls))], number)
                if number >= 0:  # a first round warms all
                    ours[size].append(found[0])
                    theirs[size].append(found[1])
            one += [_timed(counters.count_one) for _ in range(calls)]
            sql += [_timed(lambda: _count_anew(conditions)) for _ in range(SQL_CALLS)]
    _report(conditions, ours, theirs, one, sql)


def part(games: Columns, start: int, end: int) -> Columns:
    return Columns(games.ids[start:end], games.crash[start:end], games.end_ms[start:end])


def calls_of(size: int, calls: int) -> int:
    """Fewer of the large ones."""
    return max(5, calls // max(1, size // 10))


def _needed(rounds: int, calls: int) -> int:
    return (rounds + 1) * sum(size * calls_of(size, calls) for size in SIZES)


def _batches(games: Columns, calls: int) -> Iterator[Columns]:
    at = BEFORE
    while True:
        for size in SIZES:
            for _ in range(calls_of(size, calls)):
                yield part(games, at, at + size)
                at += size


def _round(writer: Writer, conditions: Sequence[Condition], batches: Sequence[Columns], number: int) -> tuple[Run, Run]:
    """Both ways over the same games, the first one in turn."""
    ways: list[Callable[[], Run]] = [
        lambda: _apply(writer, conditions, batches),
        lambda: _measure("hincrby", batches, lambda batch: counters.count(batch, conditions)),
    ]
    if number % 2 == 0:
        return ways[0](), ways[1]()
    theirs = ways[1]()
    return ways[0](), theirs


def _apply(writer: Writer, conditions: Sequence[Condition], batches: Sequence[Columns]) -> Run:
    """Marking and reading rows are not in it: pack, call, reply."""
    pending.mark([game_id for batch in batches for game_id in batch.ids.tolist()])
    marks = pending.oldest(sum(map(len, batches)))

    def call(batch: Columns) -> None:
        done = apply(writer, {game_id: marks[game_id] for game_id in batch.ids.tolist()}, batch, conditions)
        if done.new != len(batch):
            raise RuntimeError(f"{done} of {len(batch)} new games")

    return _measure("evalsha", batches, call)


def _measure(command: str, batches: Sequence[Columns], call: Callable[[Columns], None]) -> Run:
    before = spent_us(command)
    times = [_timed(partial(call, batch)) for batch in batches]
    games = sum(map(len, batches))
    return Run(times, games, (spent_us(command) - before) / games)


def _timed(call: Callable[[], None]) -> float:
    began = time.perf_counter()
    call()
    return (time.perf_counter() - began) * 1000


def _count_anew(conditions: Sequence[Condition]) -> None:
    counts = ", ".join("count(*) FILTER (WHERE crash_hundredths BETWEEN %s AND %s)" for _ in conditions)
    bounds = [bound for condition in conditions for bound in (condition.lowest, condition.highest)]
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*), {counts} FROM games_game", bounds)  # noqa: S608  constants of ours
        cursor.fetchone()


def _report(conditions: Sequence[Condition], ours: Runs, theirs: Runs, one: list[float], sql: list[float]) -> None:
    print(f"\nGames in order, {len(conditions)} conditions, {BEFORE:,} games before; a round's spread in brackets\n")
    head = ["games a call", "games/s", "p50 / p99 ms a call", "server us/game", "HINCRBY games/s", "its server us/game"]
    rows = [_row(size, ours[size], theirs[size]) for size in SIZES]
    print(table([[*head, "ours / HINCRBY", "aim"], *rows]))
    medians = [median(run.call_ms) for run in ours[1]]
    single = median(one)
    print(f"\nA single bare HINCRBY: {single:.3f} ms; {single / median(medians):.2f} of the time of a one-game apply.")
    print(
        f"Counting all conditions anew in SQL at {BEFORE:,} games: {Spread.of(sql):.1f} ms; "
        f"a one-game apply is {Spread.of([median(sql) / ms for ms in medians]):.0f} times as fast.",
        flush=True,
    )


def _row(size: int, ours: Sequence[Run], theirs: Sequence[Run]) -> list[str]:
    times = [ms for run in ours for ms in run.call_ms]
    ratios = [a.games_per_second / b.games_per_second for a, b in zip(ours, theirs, strict=True)]
    return [
        f"{size}",
        f"{Spread.of([run.games_per_second for run in ours]):,.0f}",
        f"{median(times):.2f} / {quantiles(times, n=100, method='inclusive')[98]:.2f}",
        f"{Spread.of([run.server_us for run in ours]):.1f}",
        f"{Spread.of([run.games_per_second for run in theirs]):,.0f}",
        f"{Spread.of([run.server_us for run in theirs]):.1f}",
        f"{Spread.of(ratios):.2f}",
        AIMS[size],
    ]


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
