"""Examples of the cache, to be read as documentation: each call is used once, on the games of this project.

The service's own tests cover every edge case.
"""

import pytest

from cachecore.invalidation import ModelTags
from cachecore.keys import CacheOptions, Family
from cachecore.service import WarmupEntry, cache
from cachecore.stats import stats
from cachecore.storage.envelope import NOT_FOUND
from games.crash_points import to_number
from games.models import Game
from games.rounds import Round
from games.services import record_games
from tests.factories.games import FIRST_ID, GameFactory

pytestmark = pytest.mark.django_db(transaction=True)

# A family declares everything about a kind of key. A page about one game would need these.
GAME = Family(
    name="documents-game",
    pattern="documents:game:{id}",
    role="cache",
    type="string",
    ttl_seconds=3600,
    holds="the crash point of a game, a number",
    written_by="crash_point",
    purged_by="tag game:<id>",
    options=CacheOptions(tier="profile"),
)
LIST = Family(
    name="documents-list",
    pattern="documents:list:{per_page}",
    role="cache",
    type="string",
    ttl_seconds=20,
    holds="ids of the newest games",
    written_by="newest",
    purged_by="tag games",
    options=CacheOptions(tier="list"),
)
HIGHEST = Family(
    name="documents-highest",
    pattern="documents:highest:{games}",
    role="cache",
    type="string",
    ttl_seconds=120,
    holds="the highest crash point of the newest games",
    written_by="highest",
    purged_by="tag analytics",
    options=CacheOptions(tier="analytics"),
)
VISITS = Family(
    name="documents-visits",
    pattern="documents:visits:{day}",
    role="cache",
    type="string",
    ttl_seconds=86_400,
    holds="how often the page was requested on a day",
    written_by="increment",
    purged_by="its TTL",
)


@pytest.fixture(autouse=True)
def _nothing_counted():
    stats.reset()
    yield
    stats.reset()


# The work that the cache saves: three queries


def crash_point(game_id):
    found = Game.objects.filter(game_id=game_id).first()
    return to_number(found.crash_hundredths) if found else NOT_FOUND


def newest(per_page):
    return list(Game.objects.order_by("-game_id").values_list("game_id", flat=True)[:per_page])


def highest(games):
    newest_first = Game.objects.order_by("-game_id").values_list("crash_hundredths", flat=True)[:games]
    return to_number(max(newest_first, default=100))


# Remember


def test_remember_queries_the_database_once(django_assert_num_queries):
    game = GameFactory()
    key = GAME.key(id=game.game_id)
    with django_assert_num_queries(1):
        values = [cache.remember(key, None, lambda: crash_point(game.game_id)) for _ in range(10)]
    assert set(values) == {to_number(game.crash_hundredths)}


def test_a_missing_row_is_cached_too_for_a_short_time(django_assert_num_queries):
    with django_assert_num_queries(1):
        values = [cache.remember(GAME.key(id=1), None, lambda: crash_point(1)) for _ in range(10)]
    assert values == [NOT_FOUND] * 10


def test_get_set_and_delete():
    key = GAME.key(id=7)
    assert cache.get(key, "nothing") == "nothing"
    assert cache.set(key, 2.5)
    assert (cache.get(key), cache.exists(key)) == (2.5, True)
    assert cache.delete(key) == 1
    assert cache.get(key) is None


def test_many_values_in_one_call():
    values = {GAME.key(id=number): number / 100 for number in range(100, 103)}
    assert cache.set_many(values, "medium") == 3  # a TTL is seconds, a tier's name, or None for the family's own
    assert cache.get_many([*values, GAME.key(id=103)]) == values
    assert cache.delete_many(values) == 3


def test_a_counter():
    key = VISITS.key(day="2026-11-21")
    assert [cache.increment(key), cache.increment(key, 2)] == [1, 3]
    assert cache.get(key) == 3


# Tags


def test_a_value_is_computed_again_after_one_of_its_tags_was_invalidated():
    record_games([Round(game_id=1, crash_hundredths=200)], source="test")

    def list_page():
        return cache.remember(LIST.key(per_page=10), None, lambda: newest(10), tags=["games", "pages"])

    assert list_page() == [1]
    record_games([Round(game_id=2, crash_hundredths=300)], source="test")
    assert list_page() == [1]  # nothing has invalidated it
    cache.invalidate_tag("pages")
    assert list_page() == [2, 1]


def test_invalidating_a_tag_invalidates_all_its_values_and_no_others():
    tagged = {GAME.key(id=number): number for number in range(50)}
    cache.set_many(tagged, tags=["imported:today"])
    cache.set(GAME.key(id="other"), 1.0, tags=["imported:yesterday"])
    cache.invalidate_tag("imported:today")
    assert cache.get_many(tagged) == {}
    assert cache.get(GAME.key(id="other")) == 1.0


# Writing through


def test_write_through_saves_first_and_then_stores(django_assert_num_queries):
    game = GameFactory()
    key = GAME.key(id=game.game_id)
    game.crash_hundredths = 777
    cache.write_through(key, 7.77, game.save)
    assert Game.objects.get(game_id=game.game_id).crash_hundredths == 777
    with django_assert_num_queries(0):
        assert cache.remember(key, None, lambda: crash_point(game.game_id)) == 7.77


def test_a_failing_save_leaves_the_cache_unchanged():
    key = GAME.key(id=1)
    cache.set(key, 1.5)

    def save():
        raise ValueError("invalid")

    with pytest.raises(ValueError, match="invalid"):
        cache.write_through(key, 7.77, save)
    assert cache.get(key) == 1.5


# Warming


def test_warming_computes_missing_values_only(django_assert_num_queries):
    games = GameFactory.create_batch(3)
    cache.set(GAME.key(id=games[0].game_id), "already cached")
    entries = [WarmupEntry(GAME.key(id=one.game_id), lambda one=one: crash_point(one.game_id)) for one in games]
    with django_assert_num_queries(2):
        assert cache.warm(entries) == (2, 1, 0)  # computed, already cached, failed
    with django_assert_num_queries(0):
        found = cache.remember(GAME.key(id=games[1].game_id), None, lambda: crash_point(games[1].game_id))
    assert found == to_number(games[1].crash_hundredths)


# Statistics


def test_the_hit_rate_of_a_family():
    key = LIST.key(per_page=5)
    for _ in range(10):
        cache.remember(key, None, lambda: newest(5))
    measures = cache.stats().counted.family(LIST.name)
    assert (measures.events("hit"), measures.events("miss"), measures.hit_rate) == (9, 1, 0.9)


# Cascades, declared once beside the model


@pytest.fixture
def games():
    """A game is shown on its page, in the lists, and in the statistics over games."""
    model_tags = ModelTags(
        Game,
        read=lambda game_id: [f"game:{game_id}"],
        purge=lambda game: [f"game:{game.game_id}", "games", "analytics"],
    )
    yield model_tags
    model_tags.disconnect()


def shown(games, game_id):
    """Return the values of three pages: the game, the list, the highest of the newest ten."""
    return (
        cache.remember(GAME.key(id=game_id), None, lambda: crash_point(game_id), tags=games.tags(game_id)),
        cache.remember(LIST.key(per_page=10), None, lambda: newest(10), tags=["games"]),
        cache.remember(HIGHEST.key(games=10), None, lambda: highest(10), tags=["analytics"]),
    )


def test_a_save_updates_the_object_its_lists_and_the_analytics(games):
    first = GameFactory(crash_hundredths=200)
    assert shown(games, first.game_id) == (2.0, [first.game_id], 2.0)
    first.crash_hundredths = 900
    first.save()
    second = GameFactory(crash_hundredths=500)
    assert shown(games, first.game_id) == (9.0, [second.game_id, first.game_id], 9.0)


def test_a_deletion_updates_them_too(games):
    game = GameFactory(crash_hundredths=200)
    assert shown(games, game.game_id)[0] == 2.0
    game_id = game.game_id
    game.delete()
    assert shown(games, game_id) == (NOT_FOUND, [], 1.0)


def test_other_games_stay_cached(games, django_assert_num_queries):
    one, other = GameFactory(), GameFactory()
    shown(games, one.game_id)
    other.save()
    with django_assert_num_queries(0):
        cache.remember(GAME.key(id=one.game_id), None, lambda: crash_point(one.game_id), tags=games.tags(one.game_id))


# Over HTTP: responses of the API are cached until a game is recorded


def outcome(client, url):
    return client.get(url).headers["X-Cache"]


@pytest.mark.parametrize("url", ["/api/games/", f"/api/games/{FIRST_ID}/", f"/api/games/{FIRST_ID}/verification/"])
def test_a_response_is_computed_once_and_again_after_a_new_game(client, url):
    record_games([Round(game_id=FIRST_ID, crash_hundredths=200)], source="test")
    assert [outcome(client, url) for _ in range(3)] == ["MISS", "HIT", "HIT"]
    record_games([Round(game_id=FIRST_ID + 1, crash_hundredths=300)], source="test")
    assert [outcome(client, url) for _ in range(2)] == ["MISS", "HIT"]


def test_a_client_with_the_current_response_gets_a_304(client):
    record_games([Round(game_id=1, crash_hundredths=200)], source="test")
    etag = client.get("/api/games/").headers["ETag"]
    response = client.get("/api/games/", headers={"If-None-Match": etag})
    assert (response.status_code, response.content) == (304, b"")
