"""The first page of the admin: the state of the system, also while a server is unavailable, and its permissions."""

import re
from datetime import UTC, datetime

import pytest
from django.contrib.auth.models import Permission, User
from django.urls import reverse

from analytics import services, tasks
from cachecore import tasks as cache_tasks
from games.models import Game
from tests.web.html import Page, page

pytestmark = pytest.mark.django_db

INDEX = reverse("admin:index")


@pytest.fixture
def operator(client):
    user = User.objects.create(username="operator", is_staff=True)
    user.user_permissions.add(*Permission.objects.filter(codename__in=["view_liveview", "view_cache"]))
    client.force_login(user)
    return client


def facts(response) -> dict[str, str]:
    return dict(re.findall(r'data-fact="([a-z-]+)">([^<]*)<', response.content.decode()))


def rows(found: Page) -> dict[str, list[str]]:
    return {row[0]: row[1:] for row in found.rows if row}


def test_the_first_page_shows_the_state_of_the_system(operator):
    Game.objects.create(game_id=7, crash_hundredths=200, end_time=datetime.now(UTC), source="test")
    services.apply_pending()
    tasks.reconcile_newest()
    response = operator.get(INDEX)
    found = facts(response)
    assert found | {"queue": "", "hit-rate": ""} == {
        "games-last-hour": "1",
        "newest-game": "7",
        "view": "current",
        "lag": "0 ms behind",
        "pending": "0",
        "drift": "0",
        "repaired": "0 repaired",
        "hit-rate": "",
        "queue": "",
    }
    assert found["queue"].isdigit()
    table = rows(page(response))
    for role in ("cache", "state"):
        assert table[role][:2] == ["up", "closed"]
        assert table[role][3] == "0"
    assert table["reconcile-newest"][1] == "done"
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", table["reconcile-newest"][0])
    assert table["rebuild"] == ["\N{EN DASH}", "no run recorded"]


def test_every_job_that_records_its_run_is_listed(operator, settings):
    cache_tasks.warm()
    cache_tasks.decay_usage()
    table = rows(page(operator.get(INDEX)))
    assert (table["warm"][1], table["fade-use"][1]) == ("done", "done")
    scheduled = {
        name.replace("_", "-")
        for name in (one["task"].rpartition(".")[2] for one in settings.CELERY_BEAT_SCHEDULE.values())
    }
    assert scheduled - {"apply-pending"} <= table.keys()


def test_the_page_of_the_live_view_shows_the_results_of_its_jobs(operator):
    services.apply_pending()
    Game.objects.create(game_id=5_299_990, crash_hundredths=200, end_time=datetime.now(UTC), source="test")
    services.rebuild_view()
    tasks.reconcile_newest()
    found = page(operator.get(reverse("admin:analytics_liveview_changelist")))
    table = rows(found)
    assert table["reconcile-newest"][1:] == ["done", "chunks 1, marked 0"]
    assert table["rebuild"] == ["-", "no run recorded", "-"]
    assert table["Ledger"] == ["from game 5299990, 1 chunk"]


def test_the_message_of_apply_refers_to_the_pending_games(operator):
    operator.force_login(User.objects.create_superuser("root"))
    response = operator.post(reverse("admin:analytics_liveview_ask", args=["apply", "view"]), follow=True)
    assert "Queued for a worker: apply. Pending and Newest game below show when it is done." in page(response).text


def test_without_redis_the_page_shows_what_is_unknown(operator, valkey):
    valkey.stop()
    response = operator.get(INDEX)
    found = facts(response)
    assert "The live view is unavailable: data come from the database." in page(response).text
    assert (found["view"], found["lag"], found["queue"]) == ("unavailable", "lag unknown", "\N{EN DASH}")
    assert (found["drift"], found["repaired"]) == ("\N{EN DASH}", "unknown")
    table = rows(page(response))
    assert table["cache"][0] == "down"
    assert table["rebuild"] == ["\N{EN DASH}", "unknown"]


def test_staff_without_the_permission_see_the_plain_index(client):
    client.force_login(User.objects.create(username="clerk", is_staff=True))
    response = client.get(INDEX)
    assert response.status_code == 200
    assert "Games in the last hour" not in response.content.decode()


def test_it_links_to_the_pages_of_the_live_view_and_the_cache(operator):
    links = page(operator.get(INDEX)).links()
    for name in ("analytics_liveview_changelist", "cachecore_cache_changelist"):
        assert reverse(f"admin:{name}") in links


def test_users_without_the_permission_get_no_link_to_the_cache(client):
    clerk = User.objects.create(username="clerk", is_staff=True)
    clerk.user_permissions.add(Permission.objects.get(codename="view_liveview"))
    client.force_login(clerk)
    assert reverse("admin:cachecore_cache_changelist") not in page(client.get(INDEX)).links()


def test_every_page_of_the_admin_loads_our_style_sheet(client, operator):
    for path in (INDEX, reverse("admin:analytics_liveview_changelist"), reverse("admin:password_change")):
        assert page(operator.get(path)).all("link", href="/static/site/admin.css"), path
