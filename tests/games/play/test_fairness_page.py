"""docs/fairness.md is right: its script and its vectors are run."""

import pytest

from games.play.difficulties import LANES
from tests.games.play.published_script import PAGE, SCRIPT, run_script
from tests.games.play.test_draw import COUNTING, VECTORS, drawn

ROWS = [
    [cell.strip(" `") for cell in line.strip("|").split("|")]
    for line in PAGE.splitlines()
    if line.startswith("| `") and line.count("|") == 8
]


def test_the_script_has_at_most_25_lines():
    assert len(SCRIPT.splitlines()) <= 25


def test_the_page_has_all_vectors():
    published = {
        (server, client, int(nonce)): [[int(one) for one in cell.split()] for cell in hazards]
        for server, client, nonce, *hazards in ROWS
    }
    assert published == VECTORS


@pytest.mark.parametrize("seeds", VECTORS)
@pytest.mark.parametrize("number", range(4))
def test_the_script_draws_the_vectors(seeds, number):
    lane = list(LANES.values())[number]
    commitment, hazards = run_script(*seeds, *lane)
    assert hazards == VECTORS[seeds][number]
    assert f"`{commitment}`" in PAGE or seeds[0] == "ff" * 32


def test_the_page_names_the_lanes():
    for name, lane in LANES.items():
        assert f"| `{name}` | {lane.columns} | {lane.hazards} | {lane.steps} |" in PAGE


def flipped(seeds):
    """Yield the seeds with one bit changed: each bit of both seeds' texts that leaves a hex digit, and of the nonce."""
    digits = set("0123456789abcdef")
    for part in (0, 1):
        for place, digit in enumerate(seeds[part]):
            for bit in range(8):
                other = chr(ord(digit) ^ 1 << bit)
                if other in digits:
                    text = seeds[part][:place] + other + seeds[part][place + 1 :]
                    yield (*seeds[:part], text, *seeds[part + 1 :])
    for bit in range(63):
        yield (*seeds[:2], seeds[2] ^ 1 << bit)


def test_one_flipped_bit_draws_other_hazards_or_shows_another_commitment():
    right = drawn(COUNTING, "HARD")
    same = [seeds for seeds in flipped(COUNTING) if drawn(seeds, "HARD") == right]
    # One in 26,334 draws is the same by chance; none of these few hundred is.
    assert same == []
