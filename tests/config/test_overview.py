"""The first page of admin: the state of everything, for who may see it, and of what is away that it is away."""

import re
from datetime import UTC, datetime

import pytest
from django.contrib.auth.models import Permission, User
from django.urls import reverse

from analytics import services, tasks
from games.models import Game

pytestmark = pytest.mark.django_db

INDEX = reverse("admin:index")


@pytest.fixture
def operator(client):
    user = User.objects.create(username="operator", is_staff=True)
    user.user_permissions.add(*Permission.objects.filter(codename__in=["view_liveview", "view_cache"]))
    client.force_login(user)
    return client


def cells(page: str) -> dict[str, str]:
    """Row headings and what stands beside them, without markup."""
    found = re.findall(r'<tr><th scope="row">(.*?)</th>\s*<td>(.*?)</td></tr>', page, re.DOTALL)
    return {re.sub(r"<.*?>", "", head): " ".join(cell.split()) for head, cell in found}


def test_everything_at_a_glance(operator):
    Game.objects.create(game_id=7, crash_hundredths=200, end_time=datetime.now(UTC), source="test")
    services.apply_pending()
    tasks.reconcile_newest()
    found = cells(operator.get(INDEX).content.decode())
    assert found["Games in the last hour"] == "1"
    assert found["Newest game"] == "7"
    assert found["Live view"] == "current, 0 ms behind, 0 pending"
    assert found["Drift"] == "0 found, 0 repaired"
    assert found["Redis, state"].startswith("answers, ")
    assert found["Redis, state"].endswith("breaker closed")
    assert found["Job reconcile-newest"].endswith("UTC, done")
    assert found["Job rebuild"] == "has not run"
    assert found["Tasks waiting"].isdigit()


def test_without_redis_it_says_so(operator, valkey):
    valkey.stop()
    found = cells(operator.get(INDEX).content.decode())
    assert found["Live view"] == "unavailable"
    assert found["Redis, cache"].startswith("does not answer")
    assert (found["Tasks waiting"], found["Newest game"]) == ("-", "-")


def test_staff_without_the_permission_see_the_plain_index(client):
    client.force_login(User.objects.create(username="clerk", is_staff=True))
    response = client.get(INDEX)
    assert response.status_code == 200
    assert "Games in the last hour" not in response.content.decode()


def test_its_links_lead_to_the_pages_of_view_and_cache(operator):
    page = operator.get(INDEX).content.decode()
    for name in ("analytics_liveview_changelist", "cachecore_cache_changelist"):
        assert f'href="{reverse(f"admin:{name}")}"' in page
