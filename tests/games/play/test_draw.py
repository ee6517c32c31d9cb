import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from games.play import draw
from games.play.difficulties import LANES
from tests.games.play import oracle
from tests.games.play.draws import DRAWS, fixed_seeds

ZEROS = ("00" * 32, "0" * 16, 0)
COUNTING = (bytes(range(32)).hex(), "0123456789abcdef", 0)
COUNTING_AGAIN = (*COUNTING[:2], 1)
ONES = ("ff" * 32, "f" * 16, 4_294_967_296)

VECTORS = {
    ZEROS: [
        [11, 20, 25],
        [5, 15, 18, 25],
        [5, 16, 19, 20, 22],
        [2, 8, 9, 11, 13, 14, 17],
    ],
    COUNTING: [
        [12, 22, 27],
        [3, 13, 17, 18],
        [3, 4, 11, 16, 22],
        [2, 3, 8, 11, 12, 13, 18],
    ],
    COUNTING_AGAIN: [
        [4, 5, 16],
        [4, 8, 14, 25],
        [6, 12, 14, 19, 21],
        [3, 4, 7, 11, 12, 14, 18],
    ],
    ONES: [
        [6, 15, 29],
        [1, 13, 14, 25],
        [3, 7, 8, 11, 18],
        [2, 4, 6, 12, 15, 16, 17],
    ],
}


def drawn(seeds, difficulty):
    lane = LANES[difficulty]
    return list(draw.draw_hazards(*seeds, columns=lane.columns, hazards=lane.hazards))


@pytest.mark.parametrize("seeds", VECTORS)
def test_the_published_vectors(seeds):
    assert [drawn(seeds, difficulty) for difficulty in LANES] == VECTORS[seeds]


@pytest.mark.parametrize(
    ("seed", "commitment"),
    [
        (ZEROS[0], "60e05bd1b195af2f94112fa7197a5c88289058840ce7c6df9693756bc6250f55"),
        (COUNTING[0], "6c86c6aac5fb24bcf5d9939cb7d7d5645ce39418f449e03b262dd4fa14b4b92b"),
    ],
)
def test_a_commitment_is_the_hash_of_the_seeds_text(seed, commitment):
    assert draw.commitment_of(seed) == commitment


def test_the_stream_begins_with_the_first_block():
    words = draw.word_stream(*COUNTING)
    assert [next(words), next(words)] == [0x7ADF193D, 0xE52E5C73]


def test_the_stream_goes_on_with_the_next_block():
    words = draw.word_stream(*COUNTING)
    first = [next(words) for _ in range(8)]
    ninth = next(words)
    assert ninth not in first
    message, key = b"0123456789abcdef:0:1", COUNTING[0].encode()
    assert ninth == int.from_bytes(draw.hmac.digest(key, message, "sha256")[:4], "big")


def test_a_word_that_would_favour_small_numbers_is_rejected():
    assert draw.below(30, iter([2**32 - 1, 7])) == 7
    assert draw.below(30, iter([2**32 // 30 * 30, 8])) == 8
    assert draw.below(30, iter([2**32 // 30 * 30 - 1])) == 29


def test_a_power_of_two_rejects_nothing():
    assert draw.below(16, iter([2**32 - 1])) == 15


def test_a_server_seed_is_64_lower_case_digits_and_never_the_same():
    seeds = {draw.new_server_seed() for _ in range(100)}
    assert len(seeds) == 100
    assert all(draw.SERVER_SEED.fullmatch(seed) for seed in seeds)


def test_the_default_client_seed_follows_from_commitment_and_nonce():
    commitment = "60e05bd1b195af2f94112fa7197a5c88289058840ce7c6df9693756bc6250f55"
    expected = hashlib.sha256(f"{commitment}:7".encode()).hexdigest()[:16]
    assert draw.default_client_seed(commitment, 7) == expected
    assert draw.CLIENT_SEED.fullmatch(expected)


@given(
    server=st.binary(min_size=32, max_size=32),
    client=st.binary(min_size=8, max_size=8),
    nonce=st.integers(0, 2**63 - 1),
    lane=st.sampled_from(list(LANES.values())),
)
def test_hazards_are_distinct_columns_in_order(server, client, nonce, lane):
    hazards = draw.draw_hazards(server.hex(), client.hex(), nonce, columns=lane.columns, hazards=lane.hazards)
    assert list(hazards) == sorted(set(hazards))
    assert len(hazards) == lane.hazards
    assert hazards[0] >= 1
    assert hazards[-1] <= lane.columns


def test_the_draw_equals_an_independent_implementation():
    lanes = list(LANES.items())
    for number in range(DRAWS):
        name, lane = lanes[number % len(lanes)]
        seeds = (*fixed_seeds("equal", number), number * 7_919)
        assert drawn(seeds, name) == oracle.hazards(*seeds, lane.columns, lane.hazards), (seeds, name)


@pytest.fixture(scope="module", params=LANES)
def many(request):
    """Return a lane and the hazards of many games with fixed seeds."""
    lane = LANES[request.param]
    games = [
        draw.draw_hazards(*fixed_seeds(request.param, number), number, columns=lane.columns, hazards=lane.hazards)
        for number in range(DRAWS)
    ]
    return lane, games


TESTS = sum(lane.steps for lane in LANES.values())


def test_there_are_76_steps_in_all():
    assert TESTS == 76


def test_as_many_games_survive_each_step_as_the_law_says(many):
    lane, games = many
    attempts = len(games)
    for step in range(1, lane.steps + 1):
        survived = sum(hazards[0] > step for hazards in games if hazards[0] >= step)
        left = lane.columns - step + 1
        if attempts:
            p = stats.binomtest(survived, attempts, (left - lane.hazards) / left).pvalue
            assert p > 0.001 / TESTS, (step, survived, attempts, p)
        attempts = survived


def test_no_column_is_favoured(many):
    """One game's hazards exclude each other, which makes Pearson's sum smaller by (n - h) / (n - 1)."""
    lane, games = many
    n, h = lane
    expected = len(games) * h / n
    counts = [sum(column in hazards for hazards in games) for column in range(1, n + 1)]
    pearson = sum((count - expected) ** 2 / expected for count in counts)
    assert stats.chi2.sf(pearson * (n - 1) / (n - h), n - 1) > 0.001
