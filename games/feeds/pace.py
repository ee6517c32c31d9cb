class Pace:
    """Seconds between two tries: `normal`, doubled with each trouble in a row up to `bound`."""

    def __init__(self, normal: float, bound: float) -> None:
        self._normal = normal
        self._bound = bound
        self.seconds = normal

    def slow_down(self) -> float:
        self.seconds = min(self._bound, self.seconds * 2)
        return self.seconds

    def reset(self) -> float:
        self.seconds = self._normal
        return self.seconds
