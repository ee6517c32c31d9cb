import pytest

from games.fairness import MalformedHash, Verdict, verify

BCGAME_HASH = "75571fb16cc6e0f185233fae2d843a314a2091a7d8dd0ec45332f7758d20299b"  # game 5527938, 6.63
VX_HASH = "e1d3966787cb0ce17e9690a1f518fa58bd61a14fb556c55621fd6f061d430172"  # game 10004381, 8.16


@pytest.mark.parametrize(
    ("site", "game_id", "hash_", "crash", "verdict"),
    [
        ("bcgame", 5_527_938, BCGAME_HASH, 663, Verdict("bcgame-758160", 663, verified=True)),
        ("bcgame", 5_527_938, BCGAME_HASH.upper(), 663, Verdict("bcgame-758160", 663, verified=True)),
        ("bcgame", 5_527_938, BCGAME_HASH, 664, Verdict("bcgame-758160", 663, verified=False)),
        ("bcgame", 5_527_938, BCGAME_HASH, None, Verdict("bcgame-758160", 663, verified=None)),
        ("bcgame", 5_527_938, None, 663, Verdict("bcgame-758160", None, verified=None)),
        ("bcgame", 6_000_000, BCGAME_HASH, 663, Verdict(None, None, verified=None)),
        ("bustabit", 10_004_381, VX_HASH, 816, Verdict("bustabit-vx", None, verified=None)),
        ("bcgame", 1, "f" * 64, 100, Verdict("bcgame-unsalted", None, verified=None)),  # infinite
    ],
    ids=["match", "case", "mismatch", "no-crash", "no-hash", "no-formula", "not-computable", "infinite"],
)
def test_the_verdict(site, game_id, hash_, crash, verdict):
    assert verify(site, game_id, hash_, crash) == verdict


def test_the_salt_of_another_era_does_not_verify():
    calculated = verify("bcgame", 7_200_000, BCGAME_HASH, 663)
    assert calculated.formula == "bcgame-0301e280"
    assert calculated.verified is False


@pytest.mark.parametrize("game_id", [5_527_938, 6_000_000])
def test_a_malformed_hash_is_an_error_with_and_without_a_formula(game_id):
    with pytest.raises(MalformedHash, match=r"^expected 64 hexadecimal digits, got 63$"):
        verify("bcgame", game_id, BCGAME_HASH[:63], 663)


def test_an_unknown_site_is_an_error():
    with pytest.raises(ValueError, match=r"^unknown site 'stake'"):
        verify("stake", 1, None, None)
