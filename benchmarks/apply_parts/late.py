"""Measure whole runs of a writer: read the pending ids and their rows, apply, recompute the series after late games.

python -m benchmarks.apply_parts.late ROUNDS GAMES...     run by benchmarks.apply, on its servers
"""

import sys
import time
from collections.abc import Iterator

import django

django.setup()

import numpy as np  # noqa: E402

from analytics import services, view_settings  # noqa: E402
from analytics.columns import Columns  # noqa: E402
from analytics.live import pending, series  # noqa: E402
from benchmarks import _games_table  # noqa: E402
from benchmarks._harness import Spread, table  # noqa: E402
from benchmarks.apply_parts.valkey_stats import time_in_command_us  # noqa: E402
from cachecore.clock import now_ms  # noqa: E402

SIZES = (1, 500, 5_000)


def main(rounds: int, sizes: list[int]) -> None:
    for games in sizes:
        times, server = _measure(games, rounds)
        print(f"\nWhole runs of a writer, {games:,} games at the end, {len(view_settings.conditions())} conditions\n")
        head = ["games", "in order, ms", "late, ms", "late / in order", "late games/s", "server ms, in order", "late"]
        rows = [
            [
                f"{size:,}",
                f"{Spread.of(times['new', size]):,.1f}",
                f"{Spread.of(times['late', size]):,.1f}",
                f"{Spread.of([b / a for a, b in zip(times['new', size], times['late', size], strict=True)]):.2f}",
                f"{Spread.of([size / ms * 1000 for ms in times['late', size]]):,.0f}",
                f"{Spread.of(server['new', size]):.1f}",
                f"{Spread.of(server['late', size]):.1f}",
            ]
            for size in SIZES
        ]
        print(table([head, *rows]), flush=True)


Times = dict[tuple[str, int], list[float]]


def _measure(games: int, rounds: int) -> tuple[Times, Times]:
    """Return run times and server times. With more than a million games, some late games would be below the ledger."""
    late, new, before = _split(_games_table.generate_games(games, now_ms()), (rounds + 1) * sum(SIZES))
    _games_table.truncate()
    _games_table.copy_games(before)
    _games_table.vacuum()
    services.rebuild_view()
    times: Times = {(kind, size): [] for kind in ("new", "late") for size in SIZES}
    server: Times = {(kind, size): [] for kind in ("new", "late") for size in SIZES}
    supply = {"new": _slices(new), "late": _slices(late)}
    for number in range(-1, rounds):
        for size in SIZES:
            for kind in ("new", "late") if number % 2 == 0 else ("late", "new"):
                taken, spent = _run(next(supply[kind]))
                if number >= 0:  # the first round is a warm-up
                    times[kind, size].append(taken)
                    server[kind, size].append(spent)
    return times, server


def _split(games: Columns, count: int) -> tuple[Columns, Columns, Columns]:
    """Return games to apply late, taken at random from the older ones, the newest, to apply in order, and the rest."""
    new = np.zeros(len(games), dtype=bool)
    new[-count:] = True
    late = np.zeros(len(games), dtype=bool)
    chosen = np.random.default_rng(2).choice(len(games) - count, count, replace=False)
    late[chosen] = True
    shuffled = np.random.default_rng(3).permutation(np.flatnonzero(late))
    return (
        Columns(games.ids[shuffled], games.crash[shuffled], games.end_ms[shuffled]),
        games.where(new),
        games.where(~new & ~late),
    )


def _slices(games: Columns) -> Iterator[Columns]:
    at = 0
    while True:
        for size in SIZES:
            part = slice(at, at + size)
            yield Columns(games.ids[part], games.crash[part], games.end_ms[part])
            at += size


def _run(games: Columns) -> tuple[float, float]:
    """Insert and mark the games, then run the writer. Return its time in ms, and the part spent in Redis scripts."""
    _games_table.copy_games(games)
    pending.mark(games.ids.tolist())
    spent, began = time_in_command_us("evalsha"), time.perf_counter()
    applied = services.apply_pending()
    taken = (time.perf_counter() - began) * 1000
    if applied is None or applied.new != len(games) or series.missing(view_settings.conditions()):
        raise RuntimeError(f"{applied} of {len(games)} new games")
    return taken, (time_in_command_us("evalsha") - spent) / 1000


if __name__ == "__main__":
    main(int(sys.argv[1]), [int(games) for games in sys.argv[2:]])
