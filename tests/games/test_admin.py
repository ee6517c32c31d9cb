"""Games in the admin, which uses the same service as every other source."""

from datetime import UTC, datetime

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.admin.sites import site
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.urls import reverse

from games.models import Game
from games.rounds import Round
from games.services import MAX_JUMP, record_games
from tests import chains

pytestmark = pytest.mark.django_db

ADD = reverse("admin:games_game_add")
LIST = reverse("admin:games_game_changelist")


@pytest.fixture
def genuine():
    (round_,) = chains.bcgame_rounds(1)
    return round_


def form(round_, **values):
    times = {f"{name}_{part}": "" for name in ("prepare_time", "begin_time", "end_time") for part in (0, 1)}
    return {"game_id": round_.game_id, "hash": round_.hash, "crash_point": "1.26", **times, **values}


def search(admin_client, term: str) -> list[int]:
    """Return the ids of the games that the admin finds, newest first."""
    return [game.game_id for game in admin_client.get(LIST, {"q": term}).context["cl"].result_list]


def test_a_game_is_found_by_its_id_and_by_any_beginning_of_its_hash(admin_client):
    rounds = chains.bcgame_rounds(50)
    record_games(rounds, source="test")
    for one in rounds[::7]:
        assert search(admin_client, str(one.game_id)) == [one.game_id]
        for length in (64, 63, 12):
            assert search(admin_client, one.hash[:length]) == [one.game_id]
            assert search(admin_client, f" {one.hash[:length].upper()} ") == [one.game_id]
    for first in "0123456789abcdef":
        assert search(admin_client, first) == [one.game_id for one in rounds[::-1] if one.hash.startswith(first)]


def test_digits_are_both_an_id_and_the_beginning_of_a_hash(admin_client):
    rounds = [
        Round(game_id=12, crash_hundredths=200, hash="a" * 64),
        Round(game_id=13, crash_hundredths=200, hash="12" * 32),
        Round(game_id=123, crash_hundredths=200, hash="3" * 64),
    ]
    record_games(rounds, source="test")
    assert search(admin_client, "12") == [13, 12]
    assert search(admin_client, "13 1212") == [13]
    assert search(admin_client, "12 1212") == [13]
    assert search(admin_client, "13 aaaa") == []


@pytest.mark.parametrize("term", ["xyz", "a" * 65, "9" * 17, "%", "a%", "_", "\u0662", "0x12"])
def test_a_term_that_is_neither_finds_nothing(admin_client, genuine, term):
    record_games([genuine], source="test")
    assert search(admin_client, term) == []


@pytest.mark.parametrize("term", ["5afc", "5afc2cdf0d5645fa", chains.BCGAME_HASH, "12", "5900000"])
def test_a_search_reads_an_index_and_not_the_table(rf, genuine, term):
    """Of two rows a database would rather read all, so PostgreSQL is told to avoid that if it can."""
    record_games([genuine], source="test")
    found, may_repeat = site.get_model_admin(Game).get_search_results(rf.get(LIST), Game.objects.order_by(), term)
    assert not may_repeat
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL enable_seqscan = off")
    plan = found.explain()
    assert ("Seq Scan" in plan or "SCAN" in plan) is False, plan
    assert "Index" in plan or "USING INDEX" in plan or "USING INTEGER PRIMARY KEY" in plan, plan


def change_url(game_id: int) -> str:
    return reverse("admin:games_game_change", args=[game_id])


def test_an_added_game_is_verified_and_says_who_added_it(admin_client, genuine):
    response = admin_client.post(ADD, form(genuine, end_time_0="2026-01-01", end_time_1="12:00:00"))
    assert response.status_code == 302
    game = Game.objects.get()
    assert (game.crash_hundredths, game.verified, game.source) == (126, True, "admin admin")
    assert game.end_time == datetime(2026, 1, 1, 12, tzinfo=UTC)


def test_saving_without_a_change_changes_nothing(admin_client, genuine):
    (round_,) = chains.timed([genuine], datetime(2026, 1, 1, 12, 0, 0, 123_000, tzinfo=UTC))
    record_games([round_], source="test")
    page = admin_client.get(change_url(round_.game_id)).context["adminform"].form
    values = {
        field.html_name if part is None else f"{field.html_name}_{part}": value
        for field in page
        for part, value in shown(field)
    }
    assert admin_client.post(change_url(round_.game_id), values).status_code == 302
    game = Game.objects.get()
    assert (game.end_time.microsecond, game.source) == (123_000, "test")


def shown(field):
    """Return what the page sends back for an unchanged field."""
    value = field.value()
    if isinstance(value, datetime):
        return [(0, f"{value:%Y-%m-%d}"), (1, f"{value:%H:%M:%S}")]
    return [(None, "" if value is None else value)] if field.name != "force" else []


def test_a_value_cannot_be_cleared_and_says_so(admin_client, genuine):
    record_games([genuine], source="test")
    response = admin_client.post(change_url(genuine.game_id), form(genuine, hash=""))
    assert response.context["adminform"].form.errors["hash"] == [
        "A recorded value cannot be cleared. Delete the game and record it again."
    ]
    assert Game.objects.get().hash == genuine.hash


def test_a_corrected_game_is_reverified(admin_client, genuine):
    record_games([genuine], source="test")
    admin_client.post(change_url(genuine.game_id), form(genuine, crash_point="9.99"))
    game = Game.objects.get()
    assert (game.crash_hundredths, game.verified) == (999, False)


@pytest.mark.parametrize(
    ("values", "field", "reason"),
    [
        ({"crash_point": "0.5"}, "crash_point", "A crash point must be at least 1."),
        ({"hash": "abc"}, "hash", "expected 64 hexadecimal digits, got 3"),
        ({"game_id": "0"}, "game_id", "Must be from 1 to 9007199254740991."),
    ],
)
def test_a_bad_value_is_reported_at_its_field_and_nothing_is_written(admin_client, genuine, values, field, reason):
    response = admin_client.post(ADD, form(genuine, **values))
    assert response.context["adminform"].form.errors[field] == [reason]
    assert not Game.objects.exists()


def test_a_rogue_id_needs_force(admin_client, genuine):
    record_games([genuine], source="test")
    rogue = genuine.game_id + MAX_JUMP + 1
    values = {"game_id": rogue, "hash": "", "crash_point": "2"}
    response = admin_client.post(ADD, form(genuine, **values))
    assert "ahead of the newest game" in str(response.context["adminform"].form.errors["game_id"])
    assert Game.objects.count() == 1
    assert admin_client.post(ADD, form(genuine, **values, force="on")).status_code == 302
    assert Game.objects.filter(game_id=rogue).exists()


def test_the_list_filters_by_verdict_and_finds_by_id(admin_client, genuine):
    record_games(chains.bcgame_rounds(3), source="test")
    assert admin_client.get(f"{LIST}?verified__exact=1").context["cl"].result_count == 3
    assert admin_client.get(f"{LIST}?q={genuine.game_id}").context["cl"].result_count == 1


def test_the_action_reverifies(admin_client, genuine):
    record_games([genuine], source="test")
    Game.objects.update(verified=False)
    for _ in range(2):
        admin_client.post(LIST, {"action": "verify_games", "_selected_action": [genuine.game_id]})
    assert Game.objects.get().verified is True
    assert [entry.object_id for entry in LogEntry.objects.all()] == [str(genuine.game_id)]  # the second changed nothing


def test_staff_without_the_permission_see_no_action_and_no_form(client, genuine):
    record_games([genuine], source="test")
    viewer = User.objects.create(username="viewer", is_staff=True)
    viewer.user_permissions.add(Permission.objects.get(codename="view_game"))
    client.force_login(viewer)
    assert client.get(LIST).status_code == 200
    assert client.get(change_url(genuine.game_id)).status_code == 200
    assert client.post(ADD, form(genuine)).status_code == 403
    assert client.post(change_url(genuine.game_id), form(genuine)).status_code == 403
