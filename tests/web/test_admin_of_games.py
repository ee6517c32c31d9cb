"""Games in the admin: numbers and times are written as on all pages; without the database there is a 503 page."""

import urllib.error
import urllib.request
from datetime import UTC, datetime

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.db import OperationalError, connection
from django.urls import reverse

from games.models import Game
from games.services import record_games
from tests import chains
from tests.factories.tokens import token_for
from tests.processes import web_server
from tests.web.html import Page, page
from tokens.models import AccessToken

pytestmark = pytest.mark.django_db

LIST = reverse("admin:games_game_changelist")
NO_DATABASE = "postgres://user@127.0.0.1:1/nothing"


@pytest.fixture
def game():
    (one,) = chains.timed(chains.bcgame_rounds(1), datetime(2026, 1, 1, 17, 1, 2, 345_000, tzinfo=UTC))
    record_games([one], source="test")
    Game.objects.update(crash_hundredths=670, created_at=datetime(2026, 1, 1, 17, 2, tzinfo=UTC))
    return Game.objects.get()


def test_points_have_two_decimals_and_times_24_hours(admin_client, game):
    [row] = [row for row in page(admin_client.get(LIST)).rows if str(game.game_id) in row]
    assert row[row.index(str(game.game_id)) + 1] == "6.70"
    assert "2026-01-01 17:01:02 UTC" in row
    found = page(admin_client.get(reverse("admin:games_game_change", args=[game.game_id])))
    assert "2026-01-01 17:02:00 UTC" in found.text
    assert f"{game.calculated_point:.2f}" in found.text


def test_the_form_takes_dates_as_they_are_written(admin_client, game):
    found = page(admin_client.get(reverse("admin:games_game_change", args=[game.game_id])))
    assert [found.all("input", name=f"end_time_{i}")[0]["value"] for i in (0, 1)] == ["2026-01-01", "17:01:02"]


def test_djangos_own_pages_write_times_in_the_same_format(admin_client, admin_user, game):
    when = datetime(2026, 11, 21, 17, 0, tzinfo=UTC)
    admin_client.post(reverse("admin:games_game_delete", args=[game.game_id]), {"post": "yes"})
    LogEntry.objects.update(action_time=when)
    token_for(admin_user, "ingest")
    AccessToken.objects.update(created_at=when)
    User.objects.update(last_login=when)
    paths = [
        reverse("admin:games_game_history", args=[game.game_id]),
        reverse("admin:tokens_accesstoken_changelist"),
        reverse("admin:auth_user_history", args=[admin_user.pk]),
    ]
    record_games(chains.bcgame_rounds(1), source="test")
    LogEntry.objects.create(
        user=admin_user, content_type=ContentType.objects.get_for_model(User), object_id=admin_user.pk, action_flag=2
    )
    LogEntry.objects.update(action_time=when)
    for path in paths:
        assert "2026-11-21 17:00:00 UTC" in page(admin_client.get(path)).text, path


def test_the_list_can_be_sorted_by_crash_point_and_by_end_time(admin_client, game):
    earlier = chains.bcgame_rounds(2)[0]
    record_games([earlier], source="test")
    Game.objects.filter(game_id=earlier.game_id).update(crash_hundredths=100, end_time=datetime(2025, 1, 1, tzinfo=UTC))
    for column in (2, 5):
        shown = [one.game_id for one in admin_client.get(f"{LIST}?o={column}").context["cl"].result_list]
        assert shown == [earlier.game_id, game.game_id]


@pytest.mark.parametrize(
    ("count", "message_start"), [(1, "Re-verified 1 game; 0 changed."), (2, "Re-verified 2 games;")]
)
def test_the_message_of_the_action_has_singular_and_plural(admin_client, count, message_start):
    rounds = chains.bcgame_rounds(count)
    record_games(rounds, source="test")
    chosen = {"action": "verify_games", "_selected_action": [one.game_id for one in rounds]}
    (message,) = admin_client.post(LIST, chosen, follow=True).context["messages"]
    assert str(message).startswith(message_start)


@pytest.mark.parametrize("path", ["/admin/", LIST])
def test_without_the_database_the_admin_is_a_503_page(tmp_path, path):
    with web_server(tmp_path / "log", DATABASE_URL=NO_DATABASE) as base:
        request = urllib.request.Request(f"{base}{path}", headers={"Cookie": "sessionid=abcdefgh"})  # noqa: S310
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=20)  # noqa: S310
        with refused.value as response:
            assert (response.code, response.headers["Retry-After"]) == (503, "5")
            assert "The database is unavailable" in Page(response.read().decode()).text


def test_only_a_database_error_becomes_a_503(admin_client, monkeypatch):
    admin_client.raise_request_exception = False

    def broken(self, request):
        raise RuntimeError("out of order")

    monkeypatch.setattr("games.admin.GameAdmin.get_queryset", broken)
    assert admin_client.get(LIST).status_code == 500

    def unavailable(self, request):
        raise OperationalError("gone")

    monkeypatch.setattr("games.admin.GameAdmin.get_queryset", unavailable)
    assert admin_client.get(LIST).status_code == 503
    assert connection.is_usable()
