import json
from dataclasses import asdict

import pytest

from games.fairness import MalformedHash, explain

BCGAME_HASH = "ee26c15d260a40f3c17c2af08fb39b20b4839277d3deaf719a6646deea9799cd"
BCGAME_SALT = "000000000000000000030587dd9ded1fcc5d603652da58deb670319bd2e09445"


def given(steps):
    return {name: value for name, value in asdict(steps).items() if value is not None}


def test_every_step_of_a_bcgame_round():
    # The numbers come from node's crypto and toPrecision, not from this package.
    assert given(explain("bcgame", 5_882_139, BCGAME_HASH.upper())) == {
        "site": "bcgame",
        "game_id": 5_882_139,
        "hash": BCGAME_HASH,
        "formula": "bcgame-758160",
        "randomness": "HMAC-SHA256, key: the salt as text, message: the hash's 32 raw bytes",
        "salt": BCGAME_SALT,
        "hmac_key": BCGAME_SALT,
        "hmac_message": BCGAME_HASH,
        "hmac_hex": "ffff7d609076008ddd3995584804d4f7d9014d324fc6fc9bf59793e8f384866c",
        "first_digits": "ffff7d6090760",
        "r": 4_503_564_563_580_768,
        "x": 0.9999922142746627,
        "significant_digits": 9,
        "rounded_x": 0.999992214,
        "edge_percent": 1,
        "quotient": 12_715_129.72008522,
        "crash_hundredths": 12_715_129,
        "chain_step": "SHA-256 of the hash written as 64 lower-case hexadecimal characters",
        "previous_game_id": 5_882_138,
        "previous_hash": "02a3bef9205de15f2825302ac377d3df0c938efe9b79233183ef7df7f2f78b90",
    }


def test_a_bustabit_round_is_not_rounded_and_steps_over_raw_bytes():
    steps = explain("bustabit", 12_424_166, "70857ecd59a239f3589824a993a37c3141bcfec87686a06e65b3c59acf92cf30")
    assert steps.hmac_hex == "f9e35a587a626d193cabcb100d0b20a4c491c95a761e5cc8f22a0f285d1fb585"
    assert (steps.x, steps.rounded_x) == (0.9761253801356218, None)
    assert (steps.quotient, steps.crash_hundredths) == (4146.662881435507, 4146)
    assert steps.chain_step == "SHA-256 of the hash's 32 raw bytes"
    assert steps.previous_hash == "edabb8310216cfa6a1b2907fa7593a7ac6607cc5c1d4f865bfc34016718da1d9"


def test_without_a_salt_the_digits_are_the_hashs_own():
    steps = explain("bcgame", 2, "8" + "0" * 63)
    assert (steps.salt, steps.hmac_key, steps.hmac_message, steps.hmac_hex) == (None,) * 4
    assert (steps.first_digits, steps.r, steps.x) == ("8000000000000", 2**51, 0.5)
    assert (steps.quotient, steps.crash_hundredths) == (198.0, 198)


def test_vx_has_its_chain_but_no_crash_point_and_says_why():
    steps = explain("bustabit", 10_004_381, "e1d3966787cb0ce17e9690a1f518fa58bd61a14fb556c55621fd6f061d430172")
    assert (steps.formula, steps.previous_game_id) == ("bustabit-vx", 10_004_380)
    assert (steps.hmac_hex, steps.r, steps.crash_hundredths) == (None, None, None)
    assert steps.note == "The crash point of this era requires a BLS12-381 signature, which is not computed here."


def test_an_infinite_quotient_is_a_note_not_a_number_json_lacks():
    steps = explain("bcgame", 1, "f" * 64)
    assert (steps.rounded_x, steps.quotient, steps.crash_hundredths) == (1.0, None, None)
    assert steps.note == "X rounds to 1, so the site's formula gives no finite crash point."


def test_a_game_without_a_known_formula_says_so():
    assert given(explain("bcgame", 6_000_000, "ab" * 32)) == {
        "site": "bcgame",
        "game_id": 6_000_000,
        "hash": "ab" * 32,
        "note": "No formula is known for this game.",
    }


def test_the_first_game_of_a_chain_has_no_previous_hash():
    steps = explain("bustabit", 10_000_001, "ab" * 32)
    assert (steps.chain_step, steps.previous_game_id, steps.previous_hash) == (None, None, None)


@pytest.mark.parametrize(
    ("site", "game_id", "hash_"),
    [("bcgame", 5_882_139, BCGAME_HASH), ("bcgame", 1, "f" * 64), ("bustabit", 10_004_381, "ab" * 32)],
)
def test_the_steps_survive_strict_json(site, game_id, hash_):
    fields = asdict(explain(site, game_id, hash_))
    assert json.loads(json.dumps(fields, allow_nan=False)) == fields


def test_a_malformed_hash_is_not_explained():
    with pytest.raises(MalformedHash, match=r"^expected 64 hexadecimal digits, got 0$"):
        explain("bcgame", 6_000_000, "")
