"""The cache's admin page: permissions, operations, and what it shows without Redis."""

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


def operation_url(verb: str, name: str) -> str:
    return reverse("admin:cachecore_cache_ask", args=[verb, name])


CLEAR, BUMP, WARM = operation_url("clear", "games-list"), operation_url("bump", "games"), operation_url("warm", "all")


@pytest.fixture(autouse=True)
def _nothing_counted():
    stats.reset()
    yield
    stats.reset()


@pytest.fixture
def staff(client):
    """Return a function that logs a staff member with the given permissions in."""

    def with_permissions(*codenames: str) -> Client:
        user = User.objects.create(username="operator", is_staff=True)
        user.user_permissions.add(*Permission.objects.filter(codename__in=codenames))
        client.force_login(user)
        return client

    return with_permissions


def stored_keys() -> int:
    with connections.guarded_client("cache") as client:
        return len(list(client.scan_iter(match=GAMES_LIST.prefix + "*")))


def fill() -> None:
    with connections.guarded_client("cache") as client:
        client.set(GAMES_LIST.key(parameters="page:1", version=1), "a")


def messages_of(response) -> list[str]:
    return [str(message) for message in response.context["messages"]]


@pytest.mark.parametrize("url", [OVERVIEW, CLEAR, BUMP, WARM])
def test_anonymous_users_are_redirected_to_the_login(client, url):
    response = client.get(url)
    assert (response.status_code, response.headers["Location"]) == (302, f"/admin/login/?next={url}")


@pytest.mark.parametrize("url", [OVERVIEW, CLEAR, BUMP, WARM])
def test_staff_without_the_permission_get_a_403(staff, url):
    assert staff().get(url).status_code == 403


@pytest.mark.parametrize("url", [CLEAR, BUMP, WARM])
def test_with_the_view_permission_alone_there_is_no_button_and_no_operation(staff, url):
    client = staff("view_cache")
    fill()
    assert url not in client.get(OVERVIEW).content.decode()
    assert client.post(url).status_code == 403
    assert stored_keys() == 1
    assert not LogEntry.objects.exists()


def test_the_page_shows_rates_servers_and_versions(staff):
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


def test_the_admin_index_links_to_the_page(staff):
    assert f'href="{OVERVIEW}"' in staff("view_cache").get(reverse("admin:index")).content.decode()


@pytest.mark.parametrize("url", [CLEAR, BUMP, WARM])
def test_a_followed_link_asks_for_confirmation_and_changes_nothing(staff, url):
    fill()
    before = versions.raise_version(GAMES)
    page = staff("change_cache", "view_cache").get(url).content.decode()
    assert '<form method="post">' in page
    assert "csrfmiddlewaretoken" in page
    assert (stored_keys(), versions.current(GAMES)) == (1, before)
    assert not LogEntry.objects.exists()


@pytest.mark.parametrize("url", [CLEAR, BUMP, WARM])
def test_a_post_from_another_site_is_refused(url):
    client = Client(enforce_csrf_checks=True)
    client.force_login(User.objects.create_superuser("root"))
    fill()
    assert client.post(url).status_code == 403
    assert stored_keys() == 1


def test_clearing_a_family(staff):
    fill()
    response = staff("change_cache", "view_cache").post(CLEAR, follow=True)
    assert messages_of(response) == ["Cleared 1 keys of games-list."]
    assert stored_keys() == 0
    (entry,) = LogEntry.objects.all()
    assert (entry.user.username, entry.object_repr, entry.change_message) == (
        *("operator", "games-list", "Cleared 1 keys of games-list."),
    )


def test_raising_a_tag(staff):
    before = versions.raise_version(GAMES)
    response = staff("change_cache", "view_cache").post(BUMP, follow=True)
    after = versions.current(GAMES)
    assert messages_of(response) == [f"Tag games is at version {after}."]
    assert after > before
    assert LogEntry.objects.get().change_message == f"Raised tag games to version {after}."


def test_warming_queues_a_task(staff):
    response = staff("change_cache", "view_cache").post(WARM, follow=True)
    assert messages_of(response) == ["A warming run is queued; a worker computes the standard responses."]
    with connections.guarded_client("state") as client:
        (message,) = client.lrange("celery", 0, -1)
        assert not client.exists(WARMING_DUE.key())
    assert b"cachecore.tasks.warm" in message


@pytest.mark.parametrize(
    ("verb", "name"), [("clear", "nothing"), ("clear", "analytics-ledger"), ("bump", "a b"), ("warm", "x"), ("x", "y")]
)
def test_an_unknown_operation_or_name_is_a_404(staff, verb, name):
    client = staff("change_cache", "view_cache")
    assert client.get(operation_url(verb, name)).status_code == 404
    assert client.post(operation_url(verb, name)).status_code == 404


def test_without_redis_the_page_is_shown_and_says_so(staff, valkey):
    stats.count("games-list", "hit", 3)
    client = staff("change_cache", "view_cache")
    valkey.stop()
    response = client.get(OVERVIEW)
    page = response.content.decode()
    assert response.status_code == 200
    assert "Redis does not answer (unavailable)." in page
    assert "The numbers may be incomplete: this process cannot read those of the others." in page
    assert '<th scope="row">games-list</th>' in page


@pytest.mark.parametrize("url", [CLEAR, BUMP])
def test_without_redis_an_operation_says_that_it_was_not_done(staff, valkey, url):
    client = staff("change_cache", "view_cache")
    valkey.stop()
    (message,) = messages_of(client.post(url, follow=True))
    assert message.startswith("Not done: Redis role ")
    assert not LogEntry.objects.exists()


def test_without_a_broker_warming_says_that_it_was_not_done(staff, valkey):
    client = staff("change_cache", "view_cache")
    valkey.stop()
    (message,) = messages_of(client.post(WARM, follow=True))
    assert message == "Not done: OperationalError"
    assert not LogEntry.objects.exists()
