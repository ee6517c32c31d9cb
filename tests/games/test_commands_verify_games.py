import re
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from games import audit
from games.models import Game
from tests.factories.games import FIRST_ID, GameFactory

pytestmark = pytest.mark.django_db


def run(**options):
    """Return the printed lines, without the seconds, and the error if there was one."""
    out, error = StringIO(), None
    try:
        call_command("verify_games", stdout=out, **options)
    except CommandError as failure:
        error = str(failure)
    return re.sub(r" in \d+\.\d s", "", out.getvalue()).splitlines(), error


def games(*offsets, **values):
    return [GameFactory(game_id=FIRST_ID + offset, **values) for offset in offsets]


def test_genuine_games_verify_and_link():
    games(*range(5))
    assert run(chain=True) == (
        [
            "5 games: 5 verified, 0 mismatched, 0 unverifiable, 0 results changed. Chain: 4 links unbroken, 0 broken, "
            "0 not checkable (missing games or hashes, or no known chain)."
        ],
        None,
    )


def test_an_empty_table_is_sound():
    assert run() == (["0 games: 0 verified, 0 mismatched, 0 unverifiable, 0 results changed."], None)


def test_a_mismatch_is_listed_and_fails():
    (game,) = games(0)
    Game.objects.update(crash_hundredths=99_99)
    out, error = run()
    calculated = game.crash_hundredths / 100
    assert out == [
        f"Game {FIRST_ID}: recorded 99.99, its hash gives {calculated:.2f}.",
        "1 games: 0 verified, 1 mismatched, 0 unverifiable, 1 results changed.",
    ]
    assert error == "1 mismatched, 0 chain breaks."
    assert Game.objects.get().verified is False


def test_an_outdated_result_is_updated():
    games(0, 1)
    Game.objects.filter(game_id=FIRST_ID).update(verified=None, formula="")
    assert run() == (["2 games: 2 verified, 0 mismatched, 0 unverifiable, 1 results changed."], None)
    assert Game.objects.get(game_id=FIRST_ID).formula == "bcgame-758160"
    assert run()[0] == ["2 games: 2 verified, 0 mismatched, 0 unverifiable, 0 results changed."]


def test_a_malformed_hash_is_a_mismatch_and_stops_no_other():
    games(0, 1)
    Game.objects.filter(game_id=FIRST_ID).update(hash="z" * 64)
    out, error = run()
    assert out == [
        f"Game {FIRST_ID}: the stored hash is malformed.",
        "2 games: 1 verified, 1 mismatched, 0 unverifiable, 1 results changed.",  # the next game's link is broken
    ]
    assert error == "1 mismatched, 0 chain breaks."


def test_a_broken_chain_is_listed_and_fails():
    games(0, 2)
    # Another game's hash with the crash point it gives: only the chain shows it.
    stranger = GameFactory.build(game_id=FIRST_ID + 50)
    games(1, hash=stranger.hash, crash_hundredths=stranger.crash_hundredths)
    out, error = run(chain=True)
    assert out[:2] == [
        f"Game {FIRST_ID + 1}: its hash does not lead to that of game {FIRST_ID}.",
        f"Game {FIRST_ID + 2}: its hash does not lead to that of game {FIRST_ID + 1}.",
    ]
    assert "Chain: 0 links unbroken, 2 broken, 0 not checkable" in out[2]
    assert error == "0 mismatched, 2 chain breaks."


def test_gaps_missing_hashes_and_borders_of_chains_are_not_checkable():
    games(0, 1, 3)
    games(4, hash=None)
    GameFactory(game_id=5_929_890)  # the last game with a known salt
    GameFactory(game_id=5_929_891)
    out, error = run(chain=True)
    assert out == [
        "6 games: 3 verified, 0 mismatched, 3 unverifiable, 0 results changed. Chain: 1 links unbroken, 0 broken, "
        "4 not checkable (missing games or hashes, or no known chain)."
    ]
    assert error is None


def test_a_range_has_both_ends_in_it(monkeypatch):
    monkeypatch.setattr(audit, "CHUNK", 2)
    games(*range(9))
    out, _ = run(first=FIRST_ID + 1, last=FIRST_ID + 6, chain=True)
    assert out[0].startswith("6 games: 6 verified")
    assert "Chain: 5 links unbroken" in out[0]  # over the borders of chunks too


def test_listed_problems_are_limited_and_all_are_counted():
    games(*range(5))
    Game.objects.update(crash_hundredths=99_99)
    out, error = run(limit=2)
    assert [line[: len(f"Game {FIRST_ID}")] for line in out[:-1]] == [f"Game {FIRST_ID}", f"Game {FIRST_ID + 1}"]
    assert error == "5 mismatched, 0 chain breaks."


def test_the_table_is_read_in_chunks(monkeypatch, django_assert_num_queries):
    monkeypatch.setattr(audit, "CHUNK", 2)
    games(*range(5))
    with django_assert_num_queries(4):  # 2 + 2 + 1 games, and the look that finds no more
        chunks = [[game.game_id - FIRST_ID for game in chunk] for chunk in audit.chunks(None, None)]
    assert chunks == [[0, 1], [2, 3], [4]]
