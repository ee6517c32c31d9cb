"""Worlds: small sets of recorded games for the tests, each with its own peculiarity, up to one frozen time."""

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from analytics import services, view_maintenance
from analytics.endpoints import registry
from analytics.live import pending, view_snapshot
from games.rounds import Round
from games.services import record_games
from tests import chains
from tests.analytics import games
from tests.analytics.recomputation import World

# An hour and a quarter after London put its clocks forward, three weeks after New York did.
NOW = datetime(2025, 3, 30, 2, 17, 33, 123_000, tzinfo=UTC)
NOW_MS = 1_743_301_053_123
ENDPOINT_MODULES = [name.partition(".")[0] for name in registry.ENDPOINTS]
DROPPED_AFTER = 4_000  # ids of ledger in the world that loses chunks


def freeze(monkeypatch, at_ms: int) -> None:
    """Generate results as of this moment; everything else uses the real clock."""
    for name in ENDPOINT_MODULES:
        monkeypatch.setattr(f"analytics.endpoints.{name}.now_ms", lambda: at_ms)


@pytest.fixture
def frozen(monkeypatch) -> None:
    """Freeze the time at NOW_MS, in a process without hints about the views of other tests."""
    freeze(monkeypatch, NOW_MS)
    monkeypatch.setattr(view_snapshot, "_chunk_hints", type(view_snapshot._chunk_hints)(view_snapshot.MAX_CHUNK_HINTS))


def record(world: World) -> None:
    """Record the games; the view is built from the older half, and the newer half is applied to it."""
    if world.hashes:
        _record_genuine(world)
        services.apply_pending()
        return
    ids = world.ids
    half = len(ids) // 2
    for part in (ids[:half], ids[half:]):
        games.put_all({i: world.games[i] for i in part})
        if part:
            pending.mark(part)
        services.apply_pending()


def _record_genuine(world: World) -> None:
    rounds = []
    for i, (crash, end_ms) in world.games.items():
        end = NOW - timedelta(milliseconds=NOW_MS - end_ms) if end_ms else None
        prepare = end - timedelta(milliseconds=world.round_ms) if end else None
        begin = prepare + timedelta(seconds=5) if prepare else None
        rounds.append(
            Round(
                game_id=i,
                crash_hundredths=crash,
                hash=world.hashes.get(i),
                prepare_time=prepare,
                begin_time=begin,
                end_time=end,
            )
        )
    record_games(rounds, source=world.source)


def drawn(chance: random.Random) -> int:
    """Return a random crash point by the site's law."""
    return max(100, int(99 / (1 - chance.random())))


def messy(seed: int, last: int, count: int, step: int) -> World:
    """Return games with gaps, unknown times, times that do not follow the ids, and two that ended at once."""
    chance, found, end_ms = random.Random(seed), {}, NOW_MS
    for i in range(last, last - count * step, -step):
        end_ms -= chance.choice([0, *range(8_000, 40_000, 1_000)])
        if chance.random() < 0.05:
            continue
        stray = chance.choice([0, end_ms - 3_600_000, min(NOW_MS - 1, end_ms + 1_800_000)])
        found[i] = (drawn(chance), stray if chance.random() < 0.1 else end_ms - 1)
    return World(found)


def even(first: int, crashes: list[int]) -> World:
    """Return one game each 20 s, the last a second ago."""
    newest = len(crashes) - 1
    return World({first + n: (crash, NOW_MS - 1_000 - 20_000 * (newest - n)) for n, crash in enumerate(crashes)})


def droughts() -> World:
    """Return series of 679 and 900 games below 500x across the bounds of chunks, and streaks of games above."""
    chance = random.Random(11)
    low = [min(drawn(chance), 49_999) for _ in range(1_700)]
    crashes = [*low[:100], 50_000, 60_000, *low[100:779], 70_000, *low[779:1_679], *[50_000] * 8, *low[1_679:]]
    return even(3_900, crashes)


def genuine() -> World:
    """Return a chain with its hashes; some crash points, hashes and games are wrong or missing."""
    chance, found, hashes = random.Random(5), {}, {}
    for one in chains.timed(chains.bcgame_rounds(600), NOW - timedelta(seconds=1)):
        fault = chance.choice([None] * 20 + ["crash", "hash", "no hash", "no time", "absent"])
        if fault == "absent":
            continue
        crash = one.crash_hundredths + (1 if fault == "crash" else 0)
        found[one.game_id] = (crash, 0 if fault == "no time" else round(one.end_time.timestamp() * 1000))
        if fault != "no hash":
            hashes[one.game_id] = f"{chance.getrandbits(256):064x}" if fault == "hash" else one.hash
    return World(found, hashes, source="genuine", formula="bcgame-758160", round_ms=20_000)


WORLDS: dict[str, Callable[[], World]] = {
    "across ten million": lambda: messy(1, 10_000_700, 1_500, 1),
    "three games a chunk": lambda: messy(2, 10_000_700, 700, 1_300),
    "dropped chunks": lambda: messy(3, 60_000, 1_800, 7),
    "droughts": droughts,
    "dropped droughts": droughts,
    "genuine chain": genuine,
    "all alike": lambda: even(8_000, [1_000] * 400),
    "none above one": lambda: even(8_000, [100] * 400),
    "untimed": lambda: World({i: (crash, 0) for i, (crash, _) in messy(4, 9_000, 300, 1).games.items()}),
    "far apart": lambda: World({1: (1_234, NOW_MS - 90 * 60_000), 2**53 - 1: (100, NOW_MS - 60_000)}),
    "one game": lambda: World({1: (200, NOW_MS - 60_000)}),
    "empty": lambda: World({}),
}


def built(name: str, settings) -> World:
    """Record the world of this name in table and view, and return it."""
    settings.ANALYTICS_LEDGER_GAMES = {"dropped chunks": DROPPED_AFTER, "dropped droughts": 100}.get(name, 2**53)
    world = WORLDS[name]()
    record(world)
    services.apply_pending()  # as beat does: games below the ledger changed, so the view is rebuilt
    view_maintenance.clean_up()
    return world
