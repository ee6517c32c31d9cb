import json
from itertools import islice, pairwise
from pathlib import Path

import pytest

from games.fairness import MalformedHash, chain, formula_for, previous_hash, shares_chain_with_previous

VECTORS = json.loads((Path(__file__).parent / "vectors.json").read_text())
HASHES = {(row["site"], row["game_id"]): row["hash"] for row in VECTORS}
NEIGHBOURS = [key for key in HASHES if (key[0], key[1] - 1) in HASHES]

# Published ends of the Bustabit chains (bustabit/verifier, constants).
V2_END = "86728f5fc3bd99db94d3cdaf105d67788194e9701bf95d049ad0e1ee3d004277"
CURRENT_END = "567a98370fb7545137ddb53687723cf0b8a1f5e93b1f76f4a1da29416930fa59"
# Recorded games of Vx: bustabit/autobet README; andreasviner/BustaBitPyv2 validate.py.
VX_10_004_381 = "e1d3966787cb0ce17e9690a1f518fa58bd61a14fb556c55621fd6f061d430172"
VX_10_022_538 = "61729963ca9d3e3292a43c310444e530c62662bd1647e8158897ea7537bed229"


def walk(site, game_id, hash_):
    return chain(formula_for(site, game_id), hash_, game_id)


def test_there_are_recorded_neighbours_in_both_kinds_of_chain_step():
    assert len(NEIGHBOURS) == 15
    assert {formula_for(*key).chain_step.name for key in NEIGHBOURS} == {"HEX_TEXT", "RAW_BYTES"}


@pytest.mark.parametrize(("site", "game_id"), NEIGHBOURS)
def test_recorded_neighbours_are_one_step_apart(site, game_id):
    assert shares_chain_with_previous(site, game_id)
    assert previous_hash(formula_for(site, game_id), HASHES[site, game_id]) == HASHES[site, game_id - 1]


def test_a_bcgame_step_hashes_the_text():
    formula = formula_for("bcgame", 5_882_139)
    # node: createHash("sha256").update(hash, "utf8")
    expected = "02a3bef9205de15f2825302ac377d3df0c938efe9b79233183ef7df7f2f78b90"
    assert previous_hash(formula, HASHES["bcgame", 5_882_139]) == expected
    assert previous_hash(formula, HASHES["bcgame", 5_882_139].upper()) == expected


@pytest.mark.parametrize(
    ("site", "game_id", "linked"),
    [
        ("bcgame", 1, False),  # no game 0
        ("bcgame", 2, True),
        ("bcgame", 2_561_903, False),  # never shown to run on across a new salt
        ("bcgame", 5_282_961, False),
        ("bcgame", 5_282_962, True),
        ("bcgame", 5_929_890, True),
        ("bcgame", 5_929_891, False),  # unknown stretch
        ("bcgame", 7_100_870, False),  # new chain
        ("bcgame", 7_100_871, True),
        ("bustabit", 1, False),
        ("bustabit", 10_000_000, True),
        ("bustabit", 10_000_001, False),  # new chain
        ("bustabit", 10_000_002, True),
        ("bustabit", 12_279_451, True),  # new salt, same chain
    ],
)
def test_a_chain_ends_where_it_may_not_continue(site, game_id, linked):
    assert shares_chain_with_previous(site, game_id) is linked


def test_the_chain_of_an_unknown_site_is_an_error():
    with pytest.raises(ValueError, match=r"^unknown site 'roobet'"):
        shares_chain_with_previous("roobet", 2)


def test_the_v2_chain_ends_in_the_published_hash():
    *_, (first_game, first_hash) = walk("bustabit", 336_749, HASHES["bustabit", 336_749])
    assert first_game == 1
    assert previous_hash(formula_for("bustabit", 1), first_hash) == V2_END


def test_the_vx_chain_meets_a_recorded_game_and_ends_in_the_published_hash():
    games = dict(walk("bustabit", 10_022_538, VX_10_022_538))
    assert games[10_004_381] == VX_10_004_381
    assert min(games) == 10_000_001
    assert previous_hash(formula_for("bustabit", 10_000_001), games[10_000_001]) == CURRENT_END


def test_a_walk_starts_with_the_game_itself_and_takes_every_id_once():
    newest = HASHES["bustabit", 12_424_169]
    games = list(islice(walk("bustabit", 12_424_169, newest.upper()), 5))
    assert games == [(game_id, HASHES["bustabit", game_id]) for game_id in range(12_424_169, 12_424_164, -1)]


def test_a_walk_crosses_from_the_current_era_into_vx():
    games = list(islice(walk("bustabit", 12_279_452, "ab" * 32), 4))
    assert [game_id for game_id, _ in games] == [12_279_452, 12_279_451, 12_279_450, 12_279_449]
    for (game_id, later), (_, earlier) in pairwise(games):
        assert previous_hash(formula_for("bustabit", game_id), later) == earlier


@pytest.mark.parametrize(
    ("site", "game_id", "ids"),
    [
        ("bcgame", 5_282_962, [5_282_962, 5_282_961]),
        ("bcgame", 7_100_870, [7_100_870]),
        ("bustabit", 10_000_002, [10_000_002, 10_000_001]),
        ("bustabit", 2, [2, 1]),
    ],
)
def test_a_walk_stops_at_the_end_of_its_chain(site, game_id, ids):
    assert [game for game, _ in walk(site, game_id, "ab" * 32)] == ids


def test_a_walk_with_the_wrong_formula_or_hash_is_rejected_by_the_call():
    formula = formula_for("bustabit", 1)
    with pytest.raises(ValueError, match=r"^bustabit-v2 does not cover game 10000001$"):
        chain(formula, "ab" * 32, 10_000_001)
    with pytest.raises(MalformedHash, match=r"^expected 64 hexadecimal digits, got 63$"):
        chain(formula, "a" * 63, 1)
