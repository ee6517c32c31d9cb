from dataclasses import astuple, dataclass
from typing import Self


@dataclass(slots=True)
class Counts:
    """Counts of the lines of a file: read = created + updated + unchanged + repeated + rejected.

    `mismatched` counts the created and updated games whose hash does not give their crash point.
    """

    read: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    repeated: int = 0
    rejected: int = 0
    mismatched: int = 0

    def __add__(self, other: Self) -> Self:
        return type(self)(*map(sum, zip(astuple(self), astuple(other), strict=True)))

    @property
    def accepted(self) -> int:
        return self.read - self.rejected

    def describe(self) -> str:
        """Return the counts as text for a person."""
        names = ("read", "created", "updated", "unchanged", "repeated", "rejected")
        return ", ".join(f"{getattr(self, name):,} {name}" for name in names)
