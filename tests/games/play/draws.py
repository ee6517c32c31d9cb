"""How many draws the expensive tests make: PLAY_DRAWS, or a number that suits every run (`make test-play-draws`)."""

import hashlib
import os

DRAWS = int(os.environ.get("PLAY_DRAWS", "10000"))


def fixed_seeds(label: str, number: int) -> tuple[str, str]:
    """Return a server seed and a client seed that are the same in every run."""
    digits = hashlib.sha512(f"{label}:{number}".encode()).hexdigest()
    return digits[:64], digits[64:80]
