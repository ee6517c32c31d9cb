"""The draw and the ladder once more, written from the published description and apart from games.play."""

import hmac
import struct
from decimal import ROUND_FLOOR, Context, Decimal


def hazards(server_seed: str, client_seed: str, nonce: int, columns: int, wanted: int) -> list[int]:
    """Exchange places in a sparse list; the words come from as many blocks as are needed, unpacked at once."""
    moved: dict[int, int] = {}
    words: list[int] = []
    blocks = taken = 0
    for place in range(wanted):
        size = columns - place
        while True:
            if taken == len(words):
                message = b"%s:%d:%d" % (client_seed.encode(), nonce, blocks)
                words += struct.unpack(">8I", hmac.new(server_seed.encode(), message, "sha256").digest())
                blocks += 1
            word, taken = words[taken], taken + 1
            if word // size < 2**32 // size:
                break
        other = place + word % size
        moved[place], moved[other] = moved.get(other, other), moved.get(place, place)
    return sorted(moved[place] + 1 for place in range(wanted))


def coefficients(columns: int, wanted: int, edge: str) -> list[int]:
    """Multiply the chances step by step, in decimals of 60 digits."""
    exact = Context(prec=60)
    fair, found = Decimal(1), []
    for step in range(columns - wanted):
        left = Decimal(columns - step)
        fair = exact.divide(exact.multiply(fair, left), left - wanted)
        kept = exact.multiply(exact.multiply(fair, 1 - Decimal(edge)), Decimal(100))
        # A product that is whole can come out a hair below itself after so many divisions.
        found.append(int(exact.add(kept, Decimal("1e-40")).to_integral_value(ROUND_FLOOR)))
    return found
