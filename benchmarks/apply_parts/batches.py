"""Apply games in order, in batches of several sizes, compared with one HINCRBY per counter and with counting in SQL.

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
from benchmarks import _games_table  # noqa: E402
from benchmarks._harness import Spread, table  # noqa: E402
from benchmarks.apply_parts import counters  # noqa: E402
from benchmarks.apply_parts.valkey_stats import time_in_command_us  # noqa: E402
from cachecore.clock import now_ms  # noqa: E402

SIZES = (1, 10, 100, 500)
TARGETS = {1: "p99 <= 1 ms; ratio >= 0.7", 10: "", 100: ">= 40,000 games/s", 500: ">= 40,000 games/s; ratio >= 2"}
INITIAL_GAMES = 100_000  # games in the view before the first measured one
SQL_CALLS = 3


@dataclass(frozen=True, slots=True)
class Run:
    """The figures of one method for one batch size in one round."""

    call_ms: list[float]
    games: int
    server_us: float  # per game

    @property
    def games_per_second(self) -> float:
        return self.games / (sum(self.call_ms) / 1000)


Runs = dict[int, list[Run]]


def main(rounds: int, calls: int) -> None:
    conditions = view_settings.conditions()
    games = _games_table.generate_games(INITIAL_GAMES + _needed(rounds, calls), now_ms())
    _games_table.copy_games(slice_games(games, 0, INITIAL_GAMES))
    _games_table.vacuum()
    services.rebuild_view()
    counters.copy_from_view(conditions)
    ours: Runs = {size: [] for size in SIZES}
    theirs: Runs = {size: [] for size in SIZES}
    one_counter, sql = [], []
    batches = _batches(games, calls)
    with writer_lock() as writer:
        for number in range(-1, rounds):
            for size in SIZES:
                writer.extend()
                found = _round(writer, conditions, [next(batches) for _ in range(calls_for(size, calls))], number)
                if number >= 0:  # the first round is a warm-up
                    ours[size].append(found[0])
                    theirs[size].append(found[1])
            one_counter += [_timed(counters.count_one) for _ in range(calls)]
            sql += [_timed(lambda: _count_in_sql(conditions)) for _ in range(SQL_CALLS)]
    _report(conditions, ours, theirs, one_counter, sql)


def slice_games(games: Columns, start: int, end: int) -> Columns:
    return Columns(games.ids[start:end], games.crash[start:end], games.end_ms[start:end])


def calls_for(size: int, calls: int) -> int:
    """Return the number of calls for a batch size: fewer for large batches."""
    return max(5, calls // max(1, size // 10))


def _needed(rounds: int, calls: int) -> int:
    return (rounds + 1) * sum(size * calls_for(size, calls) for size in SIZES)


def _batches(games: Columns, calls: int) -> Iterator[Columns]:
    at = INITIAL_GAMES
    while True:
        for size in SIZES:
            for _ in range(calls_for(size, calls)):
                yield slice_games(games, at, at + size)
                at += size


def _round(writer: Writer, conditions: Sequence[Condition], batches: Sequence[Columns], number: int) -> tuple[Run, Run]:
    """Measure both methods with the same games, in alternating order."""
    methods: list[Callable[[], Run]] = [
        lambda: _apply(writer, conditions, batches),
        lambda: _measure("hincrby", batches, lambda batch: counters.count(batch, conditions)),
    ]
    if number % 2 == 0:
        return methods[0](), methods[1]()
    theirs = methods[1]()
    return methods[0](), theirs


def _apply(writer: Writer, conditions: Sequence[Condition], batches: Sequence[Columns]) -> Run:
    """Measure packing, call and reply, without marking the games and reading their rows."""
    pending.mark([game_id for batch in batches for game_id in batch.ids.tolist()])
    marks = pending.oldest(sum(map(len, batches)))

    def call(batch: Columns) -> None:
        done = apply(writer, {game_id: marks[game_id] for game_id in batch.ids.tolist()}, batch, conditions)
        if done.new != len(batch):
            raise RuntimeError(f"{done} of {len(batch)} new games")

    return _measure("evalsha", batches, call)


def _measure(command: str, batches: Sequence[Columns], call: Callable[[Columns], None]) -> Run:
    before = time_in_command_us(command)
    times = [_timed(partial(call, batch)) for batch in batches]
    games = sum(map(len, batches))
    return Run(times, games, (time_in_command_us(command) - before) / games)


def _timed(call: Callable[[], None]) -> float:
    began = time.perf_counter()
    call()
    return (time.perf_counter() - began) * 1000


def _count_in_sql(conditions: Sequence[Condition]) -> None:
    counts = ", ".join("count(*) FILTER (WHERE crash_hundredths BETWEEN %s AND %s)" for _ in conditions)
    bounds = [bound for condition in conditions for bound in (condition.lowest, condition.highest)]
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*), {counts} FROM games_game", bounds)  # noqa: S608  constants of ours
        cursor.fetchone()


def _report(
    conditions: Sequence[Condition], ours: Runs, theirs: Runs, one_counter: list[float], sql: list[float]
) -> None:
    print(
        f"\nGames in order, {len(conditions)} conditions, {INITIAL_GAMES:,} games before; "
        "the spread over the rounds in brackets\n"
    )
    head = ["games/call", "games/s", "p50 / p99 ms/call", "server us/game", "HINCRBY games/s", "HINCRBY server us/game"]
    rows = [_row(size, ours[size], theirs[size]) for size in SIZES]
    print(table([[*head, "ours / HINCRBY", "target"], *rows]))
    medians = [median(run.call_ms) for run in ours[1]]
    single = median(one_counter)
    print(f"\nA single HINCRBY: {single:.3f} ms, {single / median(medians):.2f} of the time of a one-game apply.")
    print(
        f"Counting all conditions in SQL at {INITIAL_GAMES:,} games: {Spread.of(sql):.1f} ms; "
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
        TARGETS[size],
    ]


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
