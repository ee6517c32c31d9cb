"""The cache under /admin/: who may see it, who may press, what a press does, and what it says without Redis."""

import re

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from cachecore import versions
from cachecore.maintenance.warming import WARMING_DUE
from cachecore.redis_client import connections
from cachecore.stats import stats
from games.keys import GAMES, GAMES_LIST

pytestmark = pytest.mark.django_db

OVERVIEW = reverse("admin:cachecore_cache_changelist")


def ask_url(verb: str, name: str) -> str:
    return reverse("admin:cachecore_cache_ask", args=[verb, name])


CLEAR, BUMP, WARM = ask_url("clear", "games-list"), ask_url("bump", "games"), ask_url("warm", "all")


@pytest.fixture(autouse=True)
def _nothing_counted():
    stats.reset()
    yield
    stats.reset()


@pytest.fixture
def staff(client):
    """A staff member with these permissions, logged in."""

    def with_permissions(*codenames: str) -> Client:
        user = User.objects.create(username="operator", is_staff=True)
        user.user_permissions.add(*Permission.objects.filter(codename__in=codenames))
        client.force_login(user)
        return client

    return with_permissions


def kept() -> int:
    with connections.guarded_client("cache") as client:
        return len(list(client.scan_iter(match=GAMES_LIST.prefix + "*")))


def fill() -> None:
    with connections.guarded_client("cache") as client:
        client.set(GAMES_LIST.key(parameters="page:1", version=1), "a")


def told(response) -> list[str]:
    return [str(message) for message in response.context["messages"]]


@pytest.mark.parametrize("url", [OVERVIEW, CLEAR, BUMP, WARM])
def test_strangers_are_sent_to_the_login(client, url):
    response = client.get(url)
    assert (response.status_code, response.headers["Location"]) == (302, f"/admin/login/?next={url}")


@pytest.mark.parametrize("url", [OVERVIEW, CLEAR, BUMP, WARM])
def test_staff_without_the_permission_are_refused(staff, url):
    assert staff().get(url).status_code == 403


@pytest.mark.parametrize("url", [CLEAR, BUMP, WARM])
def test_who_may_only_look_finds_no_button_and_may_not_press(staff, url):
    client = staff("view_cache")
    fill()
    assert url not in client.get(OVERVIEW).content.decode()
    assert client.post(url).status_code == 403
    assert kept() == 1
    assert not LogEntry.objects.exists()


def test_the_page_tells_rates_servers_and_versions(staff):
    stats.count("games-list", "hit", 3)
    stats.count("games-list", "miss")
    version = versions.raise_version(GAMES)
    page = staff("view_cache").get(OVERVIEW).content.decode()
    row = re.search(r'<th scope="row">games-list</th>(.*?)</tr>', page, re.DOTALL)[1]
    assert '<svg role="img" aria-label="75 % hits"' in row
    assert re.findall(r"<td>(\d+)</td>", row) == ["4", "3", "0", "0", "1", "0", "0"]
    assert f"<td>{version}</td>" in page
    assert page.count("<td>closed</td>") == 2
    assert "Redis does not answer" not in page


def test_a_hundred_percent_means_every_read(staff):
    stats.count("games-list", "hit", 99_999)
    stats.count("games-list", "miss")
    assert 'aria-label="99.9 % hits"' in staff("view_cache").get(OVERVIEW).content.decode()


def test_the_page_needs_no_script_and_no_style_of_its_own(staff):
    stats.count("games-list", "hit")
    page = staff("view_cache", "change_cache").get(OVERVIEW).content.decode()
    content = page[page.index('id="content-main"') :]
    assert re.findall(r"<script(?![^>]* src=)|<style| style=| on\w+=", content) == []


def test_the_index_leads_to_the_page(staff):
    assert f'href="{OVERVIEW}"' in staff("view_cache").get(reverse("admin:index")).content.decode()


@pytest.mark.parametrize("url", [CLEAR, BUMP, WARM])
def test_a_link_that_is_followed_asks_and_changes_nothing(staff, url):
    fill()
    before = versions.raise_version(GAMES)
    page = staff("change_cache", "view_cache").get(url).content.decode()
    assert '<form method="post">' in page
    assert "csrfmiddlewaretoken" in page
    assert (kept(), versions.current(GAMES)) == (1, before)
    assert not LogEntry.objects.exists()


@pytest.mark.parametrize("url", [CLEAR, BUMP, WARM])
def test_a_press_from_another_site_is_refused(url):
    client = Client(enforce_csrf_checks=True)
    client.force_login(User.objects.create_superuser("root"))
    fill()
    assert client.post(url).status_code == 403
    assert kept() == 1


def test_clearing_a_family(staff):
    fill()
    response = staff("change_cache", "view_cache").post(CLEAR, follow=True)
    assert told(response) == ["Cleared 1 keys of games-list."]
    assert kept() == 0
    (entry,) = LogEntry.objects.all()
    assert (entry.user.username, entry.object_repr, entry.change_message) == (
        *("operator", "games-list", "Cleared 1 keys of games-list."),
    )


def test_raising_a_tag(staff):
    before = versions.raise_version(GAMES)
    response = staff("change_cache", "view_cache").post(BUMP, follow=True)
    after = versions.current(GAMES)
    assert told(response) == [f"Tag games is at version {after}."]
    assert after > before
    assert LogEntry.objects.get().change_message == f"Raised tag games to version {after}."


def test_warming_wakes_a_worker(staff):
    response = staff("change_cache", "view_cache").post(WARM, follow=True)
    assert told(response) == ["A worker is asked to compute the standard answers."]
    with connections.guarded_client("state") as client:
        (message,) = client.lrange("celery", 0, -1)
        assert not client.exists(WARMING_DUE.key())
    assert b"cachecore.tasks.warm" in message


@pytest.mark.parametrize(
    ("verb", "name"), [("clear", "nothing"), ("clear", "analytics-ledger"), ("bump", "a b"), ("warm", "x"), ("x", "y")]
)
def test_what_there_is_not_is_a_404(staff, verb, name):
    client = staff("change_cache", "view_cache")
    assert client.get(ask_url(verb, name)).status_code == 404
    assert client.post(ask_url(verb, name)).status_code == 404


def test_without_redis_the_page_stands_and_says_so(staff, valkey):
    stats.count("games-list", "hit", 3)
    client = staff("change_cache", "view_cache")
    valkey.stop()
    response = client.get(OVERVIEW)
    page = response.content.decode()
    assert response.status_code == 200
    assert "Redis does not answer (unavailable)." in page
    assert "The numbers are what this process knows." in page
    assert '<th scope="row">games-list</th>' in page


@pytest.mark.parametrize("url", [CLEAR, BUMP])
def test_a_press_without_redis_says_that_it_was_not_done(staff, valkey, url):
    client = staff("change_cache", "view_cache")
    valkey.stop()
    (message,) = told(client.post(url, follow=True))
    assert message.startswith("Not done: Redis role ")
    assert not LogEntry.objects.exists()


def test_warming_without_a_broker_says_that_it_was_not_done(staff, valkey):
    client = staff("change_cache", "view_cache")
    valkey.stop()
    (message,) = told(client.post(WARM, follow=True))
    assert message == "Not done: OperationalError"
    assert not LogEntry.objects.exists()
