"""The public audit of the draw: are hazards where chance puts them, whatever became of a bet?

Every ended bet's hazards are known, whatever its player did. Refused and cancelled bets are tested apart: a house that
loses the connection on winning bets shows there.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import comb
from typing import NamedTuple

from django.db.models import Case, CharField, Count, F, Value, When
from scipy.special import chdtrc

from games.play.difficulties import Lane
from games.play.ladder import step_chance
from games.play.models import ENDED, Bet, EndedBy, State

ALL, PLACED, REFUSED, CANCELLED = GROUPS = ("all", "placed", "refused", "cancelled")
LEAST_EXPECTED = 5  # Pearson's sum is close to its distribution only above this
LEVEL = 0.001


class Game(NamedTuple):
    """A difficulty as it was configured when its bets were placed."""

    difficulty: str
    lane: Lane


class Cell(NamedTuple):
    """The first hazard in one column, or in the last columns together."""

    first_column: int
    last_column: int
    observed: int
    expected: Fraction


@dataclass(frozen=True, slots=True)
class FirstHazardTest:
    """A chi-square test of the first hazard's column. Without a p-value too few bets have ended."""

    game: Game
    group: str
    bets: int
    cells: list[Cell]

    @property
    def chi_square(self) -> float | None:
        if len(self.cells) < 2:
            return None
        return float(sum((cell.observed - cell.expected) ** 2 / cell.expected for cell in self.cells))

    @property
    def p_value(self) -> float | None:
        return None if self.chi_square is None else float(chdtrc(len(self.cells) - 1, self.chi_square))


@dataclass(frozen=True, slots=True)
class StepRow:
    """How many bets attempted a step, how many survived it, and the share that survives by the law."""

    game: Game
    step: int
    attempts: int
    survived: int

    @property
    def expected(self) -> Fraction:
        return step_chance(self.game.lane, self.step)


@dataclass(frozen=True, slots=True)
class DrawAudit:
    bets: dict[str, int]
    first_hazard: list[FirstHazardTest]
    steps: list[StepRow]

    @property
    def tests(self) -> int:
        return sum(test.p_value is not None for test in self.first_hazard)

    def verdict(self, test: FirstHazardTest) -> str | None:
        """Return `consistent` or `deviates`, at a level divided by the number of tests; None without a p-value."""
        if test.p_value is None:
            return None
        return "deviates" if test.p_value < LEVEL / self.tests else "consistent"


def draw_audit() -> DrawAudit:
    counts = _first_hazards()
    tests = [
        first_hazard_test(game, group, columns)
        for game, groups in sorted(counts.items())
        for group in GROUPS
        if (columns := groups[group])
    ]
    bets = {group: sum(test.bets for test in tests if test.group == group) for group in GROUPS}
    return DrawAudit(bets, tests, list(_steps()))


def first_hazard_test(game: Game, group: str, columns: Counter[int]) -> FirstHazardTest:
    bets = columns.total()
    return FirstHazardTest(game, group, bets, list(_cells(game.lane, bets, columns)))


def first_hazard_chance(lane: Lane, column: int) -> Fraction:
    """Return the chance that the first hazard lies at a column: the others lie beyond it."""
    return Fraction(comb(lane.columns - column, lane.hazards - 1), comb(lane.columns, lane.hazards))


def _cells(lane: Lane, bets: int, observed: Counter[int]) -> Iterator[Cell]:
    """Yield cells of as few columns as possible, such that enough is expected in each."""
    first, expected, beyond = 1, Fraction(0), Fraction(bets)
    last = lane.columns - lane.hazards + 1
    for column in range(1, last + 1):
        share = first_hazard_chance(lane, column) * bets
        expected, beyond = expected + share, beyond - share
        if column == last or min(expected, beyond) >= LEAST_EXPECTED:
            yield Cell(first, column, sum(observed[one] for one in range(first, column + 1)), expected)
            first, expected = column + 1, Fraction(0)


def _first_hazards() -> dict[Game, dict[str, Counter[int]]]:
    """Count ended bets by game, group and first hazard."""
    group = Case(
        When(state=State.REFUSED, then=Value(REFUSED)),
        When(ended_by=EndedBy.NOT_PLACED, then=Value(CANCELLED)),
        default=Value(PLACED),
        output_field=CharField(),
    )
    rows = (
        Bet.objects.filter(state__in=ENDED)
        .order_by()
        .values_list("difficulty", "columns", "hazard_count", group, "first_hazard")
        .annotate(count=Count("pk"))
    )
    counts: dict[Game, dict[str, Counter[int]]] = defaultdict(lambda: {group: Counter() for group in GROUPS})
    for difficulty, columns, hazards, name, first, count in rows:
        groups = counts[Game(difficulty, Lane(columns, hazards))]
        groups[name][first] += count
        groups[ALL][first] += count
    return counts


def _steps() -> Iterator[StepRow]:
    """Yield each step that a bet attempted. Bets that were never placed attempted none."""
    rows: Iterable[tuple[str, int, int, int, int | None, int]] = (
        Bet.objects.filter(state__in=ENDED)
        .exclude(ended_by=EndedBy.NOT_PLACED)
        .order_by()
        .values_list("difficulty", "columns", "hazard_count", "step", F("ended_at_step") - F("step"))
        .annotate(count=Count("pk"))
    )
    survived: dict[Game, Counter[int]] = defaultdict(Counter)
    lost: dict[Game, Counter[int]] = defaultdict(Counter)
    for difficulty, columns, hazards, step, beyond, count in rows:
        game = Game(difficulty, Lane(columns, hazards))
        survived[game].update(dict.fromkeys(range(1, step + 1), count))
        if beyond:
            lost[game][step + 1] += count
    for game in sorted(survived.keys() | lost.keys()):
        for step in sorted(survived[game].keys() | lost[game].keys()):
            alive = survived[game][step]
            yield StepRow(game, step, alive + lost[game][step], alive)
