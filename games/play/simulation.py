"""Simulated bets: what each step returns under the draw, beside what it must return."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from scipy.special import bdtr, bdtrc

from games.play.difficulties import Lane
from games.play.draw import CLIENT_SEED_DIGITS, draw_hazards
from games.play.ladder import reach_chance, step_return

EVERY_STEP, RANDOM = "every-step", "random"
LEVEL = 0.001


@dataclass(slots=True)
class StepResult:
    """Bets that were to be cashed out at one step. Coefficients are in hundredths."""

    lane: Lane
    step: int
    coefficient: int
    bets: int = 0
    won: int = 0

    @property
    def returned(self) -> float:
        """The share of the stakes that came back."""
        return self.won * self.coefficient / (100 * self.bets) if self.bets else 0.0

    @property
    def expected(self) -> Fraction:
        return step_return(self.lane, self.step, self.coefficient)

    @property
    def p_value(self) -> float:
        """The exact binomial probability of a number of wins at least as unlikely on its side, doubled."""
        chance = float(reach_chance(self.lane, self.step))
        at_most, at_least = bdtr(self.won, self.bets, chance), bdtrc(self.won - 1, self.bets, chance)
        return float(min(1.0, 2 * min(at_most, at_least if self.won else 1.0)))


class Simulation:
    """Bets of one difficulty by one strategy, the same for the same seed."""

    def __init__(self, difficulty: str, lane: Lane, table: tuple[int, ...], strategy: str, seed: str) -> None:
        self._difficulty, self._lane, self._strategy, self._seed = difficulty, lane, strategy, seed
        self._results = [StepResult(lane, step, coefficient) for step, coefficient in enumerate(table, start=1)]

    @property
    def results(self) -> list[StepResult]:
        """The steps that the strategy has aimed at."""
        return [result for result in self._results if result.bets]

    def play(self, number: int) -> None:
        """Play one bet."""
        digest = hashlib.sha512(f"{self._seed}:{self._difficulty}:{number}".encode()).hexdigest()
        client_seed = digest[64 : 64 + CLIENT_SEED_DIGITS]
        lane = self._lane
        hazards = draw_hazards(digest[:64], client_seed, number, columns=lane.columns, hazards=lane.hazards)
        for result in self._aimed_at(digest):
            result.bets += 1
            result.won += hazards[0] > result.step

    def _aimed_at(self, digest: str) -> Iterator[StepResult]:
        if self._strategy == EVERY_STEP:
            yield from self._results
        elif self._strategy == RANDOM:
            yield self._results[int(digest[80:96], 16) % len(self._results)]
        elif (step := int(self._strategy)) <= len(self._results):
            yield self._results[step - 1]


def deviating(results: list[StepResult]) -> list[StepResult]:
    """Return the steps whose wins are too unlikely, at a level divided by the number of steps."""
    return [result for result in results if result.p_value < LEVEL / len(results)]
