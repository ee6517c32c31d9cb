"""The four difficulties: how many columns a game has, and how many of them are hazards."""

from typing import NamedTuple


class Lane(NamedTuple):
    """The columns of one game. Step k lands on column k."""

    columns: int
    hazards: int

    @property
    def steps(self) -> int:
        """The number of steps a game can have: further on, every column is a hazard."""
        return self.columns - self.hazards


LANES = {
    "EASY": Lane(columns=30, hazards=3),
    "MEDIUM": Lane(columns=25, hazards=4),
    "HARD": Lane(columns=22, hazards=5),
    "DAREDEVIL": Lane(columns=18, hazards=7),
}
